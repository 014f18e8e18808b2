//! Random sequences of commits, held against the log in memory.

use std::sync::Arc;

use super::{all, dataset_subject, described, workspace};
use crate::{AppendError, Commit, EventLog, MemoryLog, Position, Subject};

/// A small generator of numbers, so that a failure can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

/// Any sequence of commits gets the same answers as from the log in memory, and leaves the same
/// events at the same positions: right and wrong guards, none, retries, several events.
pub async fn random_commits_go_as_in_memory(log: Arc<dyn EventLog>) {
    let seed = u64::from_le_bytes(*super::id().as_bytes().last_chunk().expect("16 bytes")) | 1;
    let mut dice = Dice(seed);
    let model: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let workspace = workspace();
    let subjects: Vec<Subject> = (0..4).map(|_| dataset_subject(workspace)).collect();
    let mut past: Vec<Commit> = Vec::new();
    for step in 0..250 {
        let commit = if dice.roll(6) == 0 && !past.is_empty() {
            let which = usize::try_from(dice.roll(past.len() as u64)).expect("few");
            past[which].clone()
        } else {
            random_commit(&mut dice, &model, &subjects).await
        };
        past.push(commit.clone());
        let (expected, answer) = (model.append(commit.clone()).await, log.append(commit.clone()).await);
        match (&expected, &answer) {
            (Err(AppendError::TooLarge { .. }), Err(AppendError::TooLarge { .. })) => {}
            _ => assert_eq!(expected, answer, "seed {seed}, step {step}: {commit:#?}"),
        }
    }
    let head = model.head().await.expect("head");
    assert_eq!(log.head().await, Ok(head), "seed {seed}");
    let count = usize::try_from(head.0).expect("few");
    let (expected, found) = (all(&model, count).await, all(&log, count).await);
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected.decode().expect("decodes"), found.decode().expect("decodes"), "seed {seed}");
    }
}

async fn random_commit(dice: &mut Dice, model: &Arc<dyn EventLog>, subjects: &[Subject]) -> Commit {
    let mut commit = Commit::new();
    for _ in 0..=dice.roll(4) {
        let subject = &subjects[usize::try_from(dice.roll(subjects.len() as u64)).expect("few")];
        let event = described(subject, &dice.roll(1_000).to_string());
        let last = model.load(subject).await.expect("loaded").last().map_or(0, |e| e.position.0);
        commit = match dice.roll(10) {
            0 => commit.guarded(event, Position(last.saturating_sub(1))),
            1 => commit.guarded(event, Position(last + 1)),
            2..=4 => commit.event(event),
            _ => commit.guarded(event, Position(last)),
        };
    }
    if dice.roll(4) == 0 {
        commit.dedup = Some(format!("key {}", dice.roll(20)));
    }
    commit
}

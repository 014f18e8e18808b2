//! The event log with its free text sealed.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use tokio::time::sleep;
use uuid::Uuid;
use weir_events::{
    AppendError, Appended, Commit, Event, EventLog, Filter, FollowError, NewEvent, Page, Position, Recorded,
    Start, Stored, Subject, WorkspaceId, log::LoadError, member, text::Holder,
};

use super::{Unavailable, Vault, is_sealed};

/// The pause before a follower asks for keys again.
const PAUSE: Duration = Duration::from_millis(500);

/// A log that seals the free text of what is appended and opens it for whoever reads. Texts that were written before
/// there were keys are read as they are.
pub struct SealingLog {
    log: Arc<dyn EventLog>,
    vault: Vault,
}

impl fmt::Debug for SealingLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingLog(..)")
    }
}

impl SealingLog {
    /// Over a log and the keys.
    pub fn new(log: Arc<dyn EventLog>, vault: Vault) -> Self {
        Self { log, vault }
    }
}

#[async_trait]
impl EventLog for SealingLog {
    async fn append(&self, mut commit: Commit) -> Result<Appended, AppendError> {
        for event in &mut commit.events {
            if let Event::Member(member::Event::Added(_)) = &event.event
                && let Ok(user) = event.subject.id().parse()
            {
                let reopened = self.vault.reopen(event.subject.workspace_id(), user).await;
                reopened.map_err(|error| AppendError::Unavailable(error.to_string()))?;
            }
            self.vault.seal(event).await.map_err(|error| AppendError::Unavailable(error.to_string()))?;
        }
        self.log.append(commit).await
    }

    async fn load(&self, subject: &Subject) -> Result<Vec<Recorded>, LoadError> {
        let mut events = self.log.load(subject).await?;
        let opened = self.vault.open_events(subject.workspace_id(), &mut events).await;
        opened.map_err(|error| weir_events::Unavailable(error.to_string()))?;
        Ok(events)
    }

    fn follow(&self, filter: Filter, after: Position) -> BoxStream<'static, Result<Stored, FollowError>> {
        let vault = self.vault.clone();
        let opened = self.log.follow(filter, after).then(move |next| {
            let vault = vault.clone();
            async move {
                let event = next?;
                let mut waiting = false;
                loop {
                    match vault.open_stored(event.clone()).await {
                        Ok(event) => return Ok(event),
                        Err(error) => {
                            if !std::mem::replace(&mut waiting, true) {
                                tracing::warn!(%error, position = %event.position, "following the event log waits");
                            }
                            sleep(PAUSE).await;
                        }
                    }
                }
            }
        });
        opened.boxed()
    }

    async fn read(
        &self,
        filter: &Filter,
        start: Start,
        limit: usize,
    ) -> Result<Page, weir_events::Unavailable> {
        let mut page = self.log.read(filter, start, limit).await?;
        for event in &mut page.events {
            let opened = self.vault.open_stored(event.clone()).await;
            *event = opened.map_err(|error| weir_events::Unavailable(error.to_string()))?;
        }
        Ok(page)
    }

    async fn last(&self, filter: &Filter) -> Result<Position, weir_events::Unavailable> {
        self.log.last(filter).await
    }

    async fn head(&self) -> Result<Position, weir_events::Unavailable> {
        self.log.head().await
    }
}

impl Vault {
    /// Seals every free text of an event.
    async fn seal(&self, event: &mut NewEvent) -> Result<(), Unavailable> {
        let workspace = event.subject.workspace_id();
        let member = event.meta.actor.user().map_or(Uuid::nil(), |user| user.0);
        let of = |holder| match holder {
            Holder::Member => member,
            Holder::Workspace => Uuid::nil(),
        };
        let mut holders = BTreeSet::new();
        event.event.texts(&mut |holder, _| {
            holders.insert(of(holder));
        });
        for wanted in holders {
            let ring = self.ring_with(workspace, wanted).await?;
            let mut outcome = Ok(());
            event.event.texts(&mut |holder, text| {
                if of(holder) == wanted && outcome.is_ok() {
                    outcome = ring.seal(&self.0.mint, workspace, wanted, text);
                }
            });
            outcome?;
        }
        Ok(())
    }

    /// Opens every free text of events of one workspace.
    async fn open_events(&self, workspace: WorkspaceId, events: &mut [Recorded]) -> Result<(), Unavailable> {
        let mut tokens = Vec::new();
        for recorded in &mut *events {
            recorded.event.texts(&mut |_, text| tokens.extend(self.0.mint.in_text(workspace, &text)));
        }
        if tokens.is_empty() {
            return Ok(());
        }
        let ring = self.ring_for(workspace, &tokens).await?;
        for recorded in events {
            recorded.event.texts(&mut |_, text| ring.open_in(&self.0.mint, workspace, text));
        }
        Ok(())
    }

    /// Opens an event that is not decoded.
    ///
    /// # Errors
    /// When the keys cannot be had.
    pub async fn open_stored(&self, event: Stored) -> Result<Stored, Unavailable> {
        if is_sealed(&event.payload)
            && let Ok(subject) = event.subject.parse::<Subject>()
        {
            let payload = self.open(subject.workspace_id(), event.payload.clone()).await?;
            let opened = Stored { payload, ..event.clone() };
            // Sealed text that someone copied to where none belongs, such as a name, must not make an event one that
            // nobody can read.
            if opened.decode().is_ok() || event.decode().is_err() {
                return Ok(opened);
            }
        }
        Ok(event)
    }
}

//! How often someone may try: per account and address, so that who mistypes waits; per account from
//! everywhere, more often, so that one password is not guessed from many places and yet nobody locks
//! others out from one; and per address, so that many are not guessed from one.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use weir_events::UserId;
use weir_infra::http::{Code, Problem};

/// How many keys are remembered; those who could try again soonest are forgotten first.
const CAPACITY: usize = 100_000;

/// How many times as often an account may be tried from all addresses together.
const EVERYWHERE: u32 = 10;
/// Stands for all addresses.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// So many attempts at once, and as many again over every window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Attempts.
    pub attempts: u32,
    /// The time in which they come back, evenly.
    pub window: Duration,
}

/// Remembers attempts in memory. Each process counts for itself.
pub(super) struct Attempts {
    pairs: Meter<(String, IpAddr)>,
    accounts: Meter<String>,
    addresses: Meter<IpAddr>,
}

impl Attempts {
    pub(super) fn new(per_account: Limit, per_address: Limit) -> Self {
        let everywhere = Limit { attempts: per_account.attempts.saturating_mul(EVERYWHERE), ..per_account };
        Self {
            pairs: Meter::new(per_account, CAPACITY),
            accounts: Meter::new(everywhere, CAPACITY),
            addresses: Meter::new(per_address, CAPACITY),
        }
    }

    /// Counts an attempt to log in, until it is given back.
    pub(super) fn login(
        &self,
        address: IpAddr,
        email: &str,
        now: DateTime<Utc>,
    ) -> Result<Attempt<'_>, Problem> {
        let address = network(address);
        self.addresses.take(address, now).map_err(too_many)?;
        self.pairs.take((email.to_owned(), address), now).map_err(too_many)?;
        self.accounts.take(email.to_owned(), now).map_err(too_many)?;
        Ok(Attempt { attempts: self, address, email: email.to_owned() })
    }

    /// Counts a question whether an address has an account.
    pub(super) fn look_up(&self, address: IpAddr, who: UserId, now: DateTime<Utc>) -> Result<(), Problem> {
        self.addresses.take(network(address), now).map_err(too_many)?;
        // No e-mail address looks like a user's id.
        self.pairs.take((format!("looks up: {who}"), NOWHERE), now).map_err(too_many)
    }

    /// Counts a registration.
    pub(super) fn register(&self, address: IpAddr, now: DateTime<Utc>) -> Result<(), Problem> {
        self.addresses.take(network(address), now).map_err(too_many)
    }
}

/// An attempt that was counted.
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    address: IpAddr,
    email: String,
}

impl Attempt<'_> {
    /// It does not count: it was the right person, or nothing could be found out.
    pub(super) fn give_back(self) {
        self.attempts.addresses.give_back(&self.address);
        self.attempts.accounts.give_back(&self.email);
        self.attempts.pairs.give_back(&(self.email, self.address));
    }
}

fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + 1;
    Problem::new(Code::TooManyAttempts, format!("Too many attempts. Try again in {seconds} seconds."))
        .retry_after(Duration::from_secs(seconds))
}

/// Who has one IPv6 address has the whole network around it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// The generic cell rate algorithm: one time per key says all that there is to know.
struct Meter<K> {
    /// How long one attempt takes to come back.
    interval: TimeDelta,
    /// How far ahead of the clock a key may be.
    burst: TimeDelta,
    capacity: usize,
    full_again: Mutex<HashMap<K, DateTime<Utc>>>,
}

impl<K: Eq + Hash + Clone> Meter<K> {
    fn new(limit: Limit, capacity: usize) -> Self {
        let attempts = limit.attempts.max(1);
        let interval = TimeDelta::from_std(limit.window / attempts).unwrap_or(TimeDelta::seconds(1));
        let burst = interval * i32::try_from(attempts - 1).unwrap_or(i32::MAX);
        Self { interval, burst, capacity, full_again: Mutex::default() }
    }

    /// Takes one attempt, or says how long there is none.
    fn take(&self, key: K, now: DateTime<Utc>) -> Result<(), Duration> {
        let mut all = self.full_again.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.get(&key).copied().unwrap_or(now).max(now);
        let ahead = at - now;
        if ahead > self.burst {
            return Err((ahead - self.burst).to_std().unwrap_or_default());
        }
        if all.len() >= self.capacity && !all.contains_key(&key) {
            make_room(&mut all, now);
        }
        all.insert(key, at + self.interval);
        Ok(())
    }

    fn give_back(&self, key: &K) {
        let mut all = self.full_again.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.get_mut(key) {
            *at -= self.interval;
        }
    }
}

/// Forgets who has all attempts again, and if that is not enough, the half that is nearest to it.
fn make_room<K: Eq + Hash + Clone>(all: &mut HashMap<K, DateTime<Utc>>, now: DateTime<Utc>) {
    let before = all.len();
    all.retain(|_, at| *at > now);
    if all.len() == before {
        let mut times: Vec<_> = all.values().copied().collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        all.retain(|_, at| *at > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn attempts() -> Attempts {
        Attempts::new(
            Limit { attempts: 3, window: Duration::from_secs(30) },
            Limit { attempts: 5, window: Duration::from_secs(50) },
        )
    }

    fn address(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[test]
    fn an_account_is_protected_from_everywhere() {
        let attempts = attempts();
        for n in 0..30 {
            attempts.login(address(n), "ada@example.org", at(0)).map(|_| ()).unwrap();
        }
        let problem = attempts.login(address(99), "ada@example.org", at(0)).map(|_| ()).unwrap_err();
        assert_eq!(problem.code(), Code::TooManyAttempts);
        attempts.login(address(99), "bob@example.org", at(0)).map(|_| ()).unwrap();
        attempts.login(address(99), "ada@example.org", at(1)).map(|_| ()).unwrap();
        assert!(attempts.login(address(99), "ada@example.org", at(1)).is_err());
    }

    #[test]
    fn nobody_locks_others_out_from_one_address() {
        let attempts = attempts();
        for _ in 0..3 {
            attempts.login(address(1), "ada@example.org", at(0)).map(|_| ()).unwrap();
        }
        assert!(attempts.login(address(1), "ada@example.org", at(0)).is_err());
        attempts.login(address(2), "ada@example.org", at(0)).map(|_| ()).unwrap();
        attempts.login(address(1), "ada@example.org", at(11)).map(|_| ()).unwrap();
    }

    #[test]
    fn an_address_cannot_try_many_accounts() {
        let attempts = attempts();
        for n in 0..5 {
            attempts.login(address(1), &format!("{n}@example.org"), at(0)).map(|_| ()).unwrap();
        }
        assert!(attempts.login(address(1), "other@example.org", at(0)).is_err());
        assert!(attempts.register(address(1), at(0)).is_err());
        assert!(attempts.register(address(2), at(0)).is_ok());
    }

    #[test]
    fn who_succeeds_may_go_on() {
        let attempts = attempts();
        for _ in 0..100 {
            attempts.login(address(1), "ada@example.org", at(0)).unwrap().give_back();
        }
    }

    #[test]
    fn ipv6_counts_by_network() {
        let ip = |text: &str| network(text.parse().unwrap());
        assert_eq!(ip("2001:db8:1:2:3:4:5:6"), ip("2001:db8:1:2::1"));
        assert_ne!(ip("2001:db8:1:2::1"), ip("2001:db8:1:3::1"));
        assert_eq!(ip("::ffff:192.0.2.1"), address(1));
    }

    #[test]
    fn memory_is_bounded() {
        let meter = Meter::new(Limit { attempts: 2, window: Duration::from_secs(20) }, 100);
        for n in 0..10_000 {
            meter.take(n, at(0)).unwrap();
        }
        assert!(meter.full_again.lock().unwrap().len() <= 100);
    }
}

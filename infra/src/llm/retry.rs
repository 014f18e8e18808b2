//! `Retry-After`: seconds, or a moment.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Longer is not believed.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// When to try again, seen from `now`.
pub(super) fn after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => (DateTime::parse_from_rfc2822(value).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_seconds_or_a_moment() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let seconds = |value| after(value, now).map(|d| d.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds(" 1.5 "), Some(1));
        assert_eq!(seconds("Tue, 14 Nov 2023 22:13:50 GMT"), Some(30));
        assert_eq!(seconds("Tue, 14 Nov 2000 22:13:50 GMT"), Some(0));
        assert_eq!(seconds("99999999999"), Some(3600));
        for bad in ["", "soon", "-1", "NaN", "inf", "1e999"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}

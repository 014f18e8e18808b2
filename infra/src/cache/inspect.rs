//! The server itself, for operators: a look at it for `weir doctor`, and a fresh start for measurements.

use std::time::Duration;

use redis::{AsyncConnectionConfig, cmd};

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `Redis` or `Valkey`.
    pub product: &'static str,
    /// Its version.
    pub version: String,
    /// What it does when it is full, such as `allkeys-lru`.
    pub policy: String,
    /// The memory that it may use, in bytes; 0 is as much as there is.
    pub max_memory: u64,
}

/// Why there is nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] super::Error),
    /// It does not answer, or not to this user.
    #[error("not reachable: {0}")]
    Unreachable(#[from] redis::RedisError),
    /// It does not answer in time.
    #[error("not reachable in time")]
    Late,
}

/// Asks the server at an address.
///
/// # Errors
/// When it cannot be reached.
pub async fn inspect(url: &str, within: Duration) -> Result<Found, InspectError> {
    let client = redis::Client::open(url).map_err(|_| super::Error::Address)?;
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let look = async {
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        cmd("INFO").query_async::<String>(&mut connection).await
    };
    Ok(read(&tokio::time::timeout(within, look).await.map_err(|_| InspectError::Late)??))
}

/// Empties the server at an address, whoever put in what is in it.
///
/// # Errors
/// When it cannot be reached.
pub async fn flush(url: &str) -> Result<(), InspectError> {
    let client = redis::Client::open(url).map_err(|_| super::Error::Address)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    Ok(cmd("FLUSHALL").query_async(&mut connection).await?)
}

fn read(info: &str) -> Found {
    let said = |key: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| *name == key).map(|(_, value)| value.trim().to_owned())
    };
    let valkey = said("valkey_version");
    Found {
        product: if valkey.is_some() { "Valkey" } else { "Redis" },
        version: valkey.or_else(|| said("redis_version")).unwrap_or_default(),
        policy: said("maxmemory_policy").unwrap_or_default(),
        max_memory: said("maxmemory").and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valkey_goes_by_its_own_version() {
        let info = "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\n# Memory\r\nmaxmemory:1048576\r\nmaxmemory_policy:noeviction\r\n";
        let found = read(info);
        let policy = "noeviction".to_owned();
        assert_eq!(
            found,
            Found { product: "Valkey", version: "8.0.1".to_owned(), policy, max_memory: 1 << 20 }
        );
        assert_eq!(read("").version, "");
    }
}

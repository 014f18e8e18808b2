//! The connection to a NATS server.

use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectOptions, ServerAddr};

/// Connects to a server named by an address such as `nats://user:password@host:4222`, or a token in the place of
/// user and password; several servers of a cluster are separated by commas. The client reconnects for as long as
/// it lives.
///
/// # Errors
/// When the address makes no sense, or no server answers within seconds.
pub async fn connect(url: &str) -> Result<Client, ConnectError> {
    let servers: Vec<ServerAddr> = url
        .split(',')
        .map(|server| server.trim().parse())
        .collect::<Result<_, std::io::Error>>()
        .map_err(|error| ConnectError::with_source(async_nats::ConnectErrorKind::ServerParse, error))?;
    let mut options = ConnectOptions::new()
        .name("weir")
        .connection_timeout(Duration::from_secs(5))
        .max_reconnects(None)
        // Quick at first: an embedded server that was killed is back within a second.
        .reconnect_delay_callback(|attempts| {
            Duration::from_millis(50 << attempts.min(5)).min(Duration::from_secs(1))
        });
    // The client itself reads no credentials from addresses.
    let first = servers.first();
    options = match (first.and_then(ServerAddr::username), first.and_then(ServerAddr::password)) {
        (Some(user), Some(password)) => options.user_and_password(decoded(user), decoded(password)),
        (Some(token), None) => options.token(decoded(token)),
        _ => options,
    };
    options.connect(servers).await
}

/// Undoes percent-encoding, which addresses need for characters such as `@`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn credentials_are_decoded() {
        for (text, means) in [("p%40ss", "p@ss"), ("plain", "plain"), ("100%", "100%"), ("%zz", "%zz")] {
            assert_eq!(super::decoded(text), means);
        }
    }
}

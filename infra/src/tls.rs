//! Whom connections to the outside trust.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("connections to the outside cannot be set up: {0}")]
pub struct SetupError(String);

impl SetupError {
    pub(crate) fn new(reason: &dyn std::error::Error) -> Self {
        Self(reason.to_string())
    }
}

/// Trusts whom this machine trusts. Where it trusts nobody, because no certificates are installed, only
/// addresses without TLS can be reached.
pub(crate) fn client() -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        tracing::warn!("this machine trusts no certificates: nothing can be reached through https");
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| SetupError::new(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

//! Logging in with a password.

use std::net::IpAddr;

use weir_infra::http::{Code, Problem, RequestContext};

use super::{Accounts, Email, Password, SignedIn};

impl Accounts {
    /// Logs in. An address that nobody has takes as long as a wrong password and gets the same
    /// answer.
    ///
    /// # Errors
    /// 401 `credentials_invalid`, 429 `too_many_attempts`, 503 where a server is away.
    pub async fn login(
        &self,
        email: &str,
        password: &Password,
        address: IpAddr,
        request: &RequestContext,
    ) -> Result<SignedIn, Problem> {
        let refused =
            || Problem::new(Code::CredentialsInvalid, "The e-mail address or the password is wrong.");
        let Ok(email) = Email::parse(email) else { return Err(refused()) };
        let attempt = self.0.attempts.login(address, email.key(), request.now)?;
        let checked = async {
            let record = self.record_by_email(&email).await?;
            let hash = record.as_ref().map(|r| r.password_hash.clone());
            let right = self.0.passwords.verify(password, hash).await?;
            Ok(record.filter(|_| right))
        };
        let record = match checked.await {
            Ok(Some(record)) => record,
            Ok(None) => return Err(refused()),
            Err(problem) => {
                attempt.give_back();
                return Err(problem);
            }
        };
        attempt.give_back();
        let position = self.settle(&record, request).await?.position;
        self.begin_session(record.user, position, request).await
    }
}

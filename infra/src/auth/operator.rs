//! Who runs the installation, and may see what its workspaces share.

use std::sync::{Arc, OnceLock};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use futures::future::LocalBoxFuture;
use weir_events::UserId;

use super::{Authenticator, Identity};
use crate::{
    http::{Code, Problem},
    postgres::Pool,
};

const FIRST: &str = "SELECT id FROM accounts.users ORDER BY created_at, id LIMIT 1";
const NAMED: &str = "SELECT id FROM accounts.users WHERE email_key = lower($1)";

/// Whose the installation is: the account with a certain e-mail address, or else the first that there was.
#[derive(Clone)]
pub struct Operators {
    pool: Pool,
    email: Option<String>,
    // An account keeps its id for good.
    known: Arc<OnceLock<UserId>>,
}

impl Operators {
    /// The account with that address, which may be made later; the oldest one without an address.
    pub fn new(pool: Pool, email: Option<&str>) -> Self {
        let email = email.map(|text| text.trim().to_owned());
        Self { pool, email, known: Arc::default() }
    }

    async fn has(&self, user: UserId) -> Result<bool, Problem> {
        if let Some(known) = self.known.get() {
            return Ok(*known == user);
        }
        let client = self.pool.get().await?;
        let found = match &self.email {
            Some(email) => client.query_opt(NAMED, &[email]).await?,
            None => client.query_opt(FIRST, &[]).await?,
        };
        let Some(row) = found else { return Ok(false) };
        let owner = UserId(row.try_get(0)?);
        Ok(*self.known.get_or_init(|| owner) == user)
    }
}

/// Whoever runs the installation. Answers 401 without a valid token, and 403 `operator_required` to everybody else
/// and to API keys.
#[derive(Debug, Clone, Copy)]
pub struct Operator {
    /// The person.
    pub user: UserId,
}

impl FromRequest for Operator {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let identity = Authenticator::of(&req)?.identify(&req).await?;
            let operators = req
                .app_data::<Data<Operators>>()
                .ok_or_else(|| Problem::internal("the application has no Operators"))?;
            match identity {
                Identity::Person { user, .. } if operators.has(user).await? => Ok(Self { user }),
                _ => Err(Problem::new(
                    Code::OperatorRequired,
                    "This is for the owner of the installation: the account that its settings name, or the first.",
                )),
            }
        })
    }
}

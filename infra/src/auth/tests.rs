//! The extractors over ports that live in memory.

#![expect(clippy::disallowed_methods, reason = "tests are an edge")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use actix_web::{FromRequest, test::TestRequest, web::Data};
use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use uuid::Uuid;
use weir_events::{Actor, ApiKeyId, UserId, WorkspaceId, member::Role};

use super::*;
use crate::http::{Code, Problem};

const TEAM: WorkspaceId = WorkspaceId(Uuid::from_u128(100));
const PERSONAL: WorkspaceId = WorkspaceId(Uuid::from_u128(200));
const ADA: UserId = UserId(Uuid::from_u128(1));

/// Ada is an editor in the team for as long as it says so; there is one API key.
#[derive(Default)]
struct Ports {
    away: AtomicBool,
    left: AtomicBool,
    lookups: AtomicU32,
    key: Option<ApiKey>,
}

#[async_trait]
impl Memberships for Ports {
    async fn role(&self, user: UserId, workspace: WorkspaceId) -> Result<Option<Role>, Problem> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Problem::new(Code::DatabaseUnavailable, "away"));
        }
        let member = user == ADA && workspace == TEAM && !self.left.load(Ordering::SeqCst);
        Ok(member.then_some(Role::Editor))
    }
}

#[async_trait]
impl ApiKeys for Ports {
    async fn find(&self, id: ApiKeyId) -> Result<Option<ApiKey>, Problem> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Err(Problem::new(Code::DatabaseUnavailable, "away"));
        }
        Ok(self.key.clone().filter(|k| k.id == id))
    }
}

struct World {
    authenticator: Authenticator,
    ports: Arc<Ports>,
    token: String,
    secret: String,
}

fn world(key_role: Role) -> World {
    let signing = SigningKey::generate();
    let secret = ApiKeySecret::generate(ApiKeyId(Uuid::from_u128(9)));
    let key =
        ApiKey { id: secret.id, user: ADA, workspace: TEAM, role: key_role, secret_hash: secret.hash() };
    let ports = Arc::new(Ports { key: Some(key), ..Ports::default() });
    let authenticator = Authenticator::new(&signing, ports.clone(), ports.clone(), Revocations::new());
    let session = SessionId(Uuid::from_u128(5));
    let token = authenticator.tokens().issue(ADA, PERSONAL, session, Utc::now()).unwrap().0;
    World { authenticator, ports, token, secret: secret.reveal() }
}

impl World {
    async fn call<R: MinimumRole>(&self, token: &str, workspace: Option<&str>) -> Result<Caller<R>, Problem> {
        let mut req = TestRequest::default()
            .app_data(Data::new(self.authenticator.clone()))
            .insert_header(("authorization", format!("bearer {token}")));
        if let Some(workspace) = workspace {
            req = req.insert_header(("weir-workspace", workspace));
        }
        Caller::<R>::extract(&req.to_http_request()).await
    }
}

#[actix_web::test]
async fn a_person_owns_their_workspace_and_has_a_role_elsewhere() {
    let world = world(Role::Owner);
    let mine = world.call::<Owner>(&world.token, None).await.unwrap();
    assert_eq!((mine.user, mine.workspace, mine.role), (ADA, PERSONAL, Role::Owner));
    assert_eq!(mine.actor, Actor::User(ADA));

    let team = TEAM.to_string();
    let there = world.call::<Editor>(&world.token, Some(&team)).await.unwrap();
    assert_eq!((there.workspace, there.role), (TEAM, Role::Editor));
    let low = world.call::<Owner>(&world.token, Some(&team)).await.unwrap_err();
    assert_eq!(low.code(), Code::RoleTooLow);
    for nowhere in [Uuid::nil().to_string().as_str(), "no id", ""] {
        let problem = world.call::<Viewer>(&world.token, Some(nowhere)).await.unwrap_err();
        assert_eq!(problem.code(), Code::WorkspaceNotFound, "{nowhere:?}");
    }
    world.ports.left.store(true, Ordering::SeqCst);
    assert_eq!(
        world.call::<Viewer>(&world.token, Some(&team)).await.unwrap_err().code(),
        Code::WorkspaceNotFound
    );
    // What cannot be found out is no refusal, and the personal workspace needs no lookup.
    world.ports.away.store(true, Ordering::SeqCst);
    assert_eq!(
        world.call::<Viewer>(&world.token, Some(&team)).await.unwrap_err().code(),
        Code::DatabaseUnavailable
    );
    assert!(world.call::<Owner>(&world.token, None).await.is_ok());
}

#[actix_web::test]
async fn a_key_may_never_more_than_it_says_nor_more_than_its_maker() {
    let viewer = world(Role::Viewer);
    let caller = viewer.call::<Viewer>(&viewer.secret, None).await.unwrap();
    assert_eq!((caller.workspace, caller.role), (TEAM, Role::Viewer));
    assert_eq!(caller.actor, Actor::ApiKey(ApiKeyId(Uuid::from_u128(9)), ADA));
    let owner = world(Role::Owner);
    assert_eq!(owner.call::<Viewer>(&owner.secret, None).await.unwrap().role, Role::Editor);
    let elsewhere = owner.call::<Viewer>(&owner.secret, Some(&PERSONAL.to_string())).await.unwrap_err();
    assert_eq!(elsewhere.code(), Code::WorkspaceNotFound);
    owner.ports.left.store(true, Ordering::SeqCst);
    assert_eq!(owner.call::<Viewer>(&owner.secret, None).await.unwrap_err().code(), Code::WorkspaceNotFound);
}

#[actix_web::test]
async fn keys_are_remembered_until_they_are_revoked() {
    let world = world(Role::Viewer);
    for _ in 0..5 {
        world.call::<Viewer>(&world.secret, None).await.unwrap();
    }
    assert_eq!(world.ports.lookups.load(Ordering::SeqCst), 1);
    world.authenticator.revocations().revoke_api_key(ApiKeyId(Uuid::from_u128(9)), Utc::now());
    assert_eq!(world.call::<Viewer>(&world.secret, None).await.unwrap_err().code(), Code::TokenInvalid);
}

#[actix_web::test]
async fn a_failed_lookup_is_not_remembered() {
    let world = world(Role::Viewer);
    world.ports.away.store(true, Ordering::SeqCst);
    assert_eq!(
        world.call::<Viewer>(&world.secret, None).await.unwrap_err().code(),
        Code::DatabaseUnavailable
    );
    world.ports.away.store(false, Ordering::SeqCst);
    assert!(world.call::<Viewer>(&world.secret, None).await.is_ok());
}

#[actix_web::test]
async fn an_ended_session_is_refused_at_once() {
    let world = world(Role::Viewer);
    assert!(world.call::<Viewer>(&world.token, None).await.is_ok());
    world.authenticator.revocations().revoke_session(SessionId(Uuid::from_u128(5)), Utc::now());
    assert_eq!(world.call::<Viewer>(&world.token, None).await.unwrap_err().code(), Code::TokenRevoked);
}

#[tokio::test]
async fn a_remembered_token_expires_and_is_no_other() {
    let world = world(Role::Viewer);
    let now = Utc::now();
    let asked =
        async |token: &str, at| world.authenticator.authenticate(token, at).await.map_err(|p| p.code());
    for _ in 0..2 {
        assert!(asked(&world.token, now).await.is_ok());
    }
    let changed = format!("{}x", world.token);
    assert_eq!(asked(&changed, now).await, Err(Code::TokenInvalid));
    assert_eq!(asked(&world.token, now - TimeDelta::minutes(5)).await, Err(Code::TokenInvalid));
    assert_eq!(asked(&world.token, now + ACCESS_TOKEN_TTL).await, Err(Code::TokenExpired));
    assert!(asked(&world.token, now).await.is_ok());
    world.authenticator.revocations().revoke_session(SessionId(Uuid::from_u128(5)), now);
    assert_eq!(asked(&world.token, now).await, Err(Code::TokenRevoked));
}

#[tokio::test]
async fn revocations_come_from_the_database_and_go_when_no_token_can_be_left() {
    let database = crate::testing::database().await;
    let now = Utc::now();
    let client = database.pool().get().await.unwrap();
    let (user, session, key) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let insert =
        "INSERT INTO accounts.users (id, email, email_key, name, password_hash, workspace_id, created_at)
                  VALUES ($1, '', '', '', '', $1, $2)";
    client.execute(insert, &[&user, &now]).await.unwrap();
    let insert = "INSERT INTO accounts.sessions (id, user_id, created_at, expires_at, revoked_at) VALUES ($1, $2, $3, $3, $3)";
    client.execute(insert, &[&session, &user, &now]).await.unwrap();
    let insert = "INSERT INTO accounts.api_keys (id, workspace_id, user_id, name, role, secret_hash, created_at, deleted_at)
                  VALUES ($1, $2, $2, '', 'viewer', $3, $4, $4)";
    client.execute(insert, &[&key, &user, &vec![7_u8; 32], &now]).await.unwrap();

    let revocations = Revocations::new();
    revocations.refresh(database.pool(), now).await.unwrap();
    assert!(revocations.session_revoked(SessionId(session)) && revocations.api_key_revoked(ApiKeyId(key)));
    assert!(PostgresApiKeys(database.pool().clone()).find(ApiKeyId(key)).await.unwrap().is_none());
    revocations.refresh(database.pool(), now + TimeDelta::hours(1)).await.unwrap();
    assert!(!revocations.session_revoked(SessionId(session)) && !revocations.api_key_revoked(ApiKeyId(key)));
}

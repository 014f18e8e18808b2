//! Accounts over HTTP, on a real PostgreSQL and a real event log.

#![expect(clippy::disallowed_methods, reason = "tests are an edge")]

mod world;

use std::{sync::atomic::Ordering, time::Duration};

use chrono::Utc;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_command::accounts::Limit;
use weir_events::{Event, member, workspace};
use weir_infra::auth::{SessionId, SigningKey};

use world::{AFTER, Answer, As, BEFORE, HELD, PASSWORD, Weir, World, bearer, text};

#[tokio::test(flavor = "multi_thread")]
async fn registering_makes_an_account_with_a_personal_workspace() {
    let world = World::new().await;
    let weir = world.start().await;
    let body = json!({"email": " Ada@Example.org", "password": PASSWORD, "name": "Ada Lovelace"});
    let answer = weir.post(As::default(), "/api/v1/auth/register", body).await;
    let position: u64 = answer.headers["weir-position"].to_str().unwrap().parse().unwrap();
    assert_eq!(answer.headers["cache-control"], "no-store");
    let ada = answer.expect(StatusCode::CREATED);
    assert_eq!((&ada["expires_in"], &ada["user"]["email"]), (&json!(1800), &json!("Ada@Example.org")));
    assert_eq!(position, 2);

    let me = weir.get(bearer(&ada), "/api/v1/me").await.expect(StatusCode::OK);
    assert_eq!(me["user"]["name"], "Ada Lovelace");
    assert_eq!(me["workspaces"][0]["id"], ada["workspace"]["id"]);
    assert_eq!(
        (&me["workspaces"][0]["role"], &me["workspaces"][0]["personal"]),
        (&json!("owner"), &json!(true))
    );

    // Personal data stays out of the stream.
    let events = weir.events().await;
    assert_eq!(events.len(), 2);
    assert!(matches!(&events[0].event, Event::Workspace(workspace::Event::Created(c)) if c.personal));
    assert!(matches!(&events[1].event, Event::Member(member::Event::Added(_))));
    assert!(!format!("{events:?}").to_lowercase().contains("lovelace"));
    assert!(!format!("{events:?}").contains("@"));

    let again = json!({"email": "ada@example.ORG", "password": "another password", "name": "Eve"});
    weir.post(As::default(), "/api/v1/auth/register", again)
        .await
        .refused(StatusCode::CONFLICT, "email_taken");
    let same = json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada"});
    weir.post(As::default(), "/api/v1/auth/register", same)
        .await
        .refused(StatusCode::CONFLICT, "email_taken");
    for (field, value, code) in
        [("password", "123456789", "too_short"), ("email", "nobody", "not_an_email"), ("name", " ", "empty")]
    {
        let mut body = json!({"email": "bob@example.org", "password": PASSWORD, "name": "Bob"});
        body[field] = json!(value);
        let problem = weir.post(As::default(), "/api/v1/auth/register", body).await;
        let problem = problem.refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value");
        assert_eq!(
            (&problem["errors"][0]["field"], &problem["errors"][0]["code"]),
            (&json!(field), &json!(code))
        );
    }
    assert_eq!(weir.events().await.len(), 2);
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_come_and_go() {
    let world = World::new().await;
    let weir = world.start().await;
    weir.register("ada@example.org").await;
    weir.login("ada@example.org", "wrong password")
        .await
        .refused(StatusCode::UNAUTHORIZED, "credentials_invalid");
    weir.login("bob@example.org", PASSWORD).await.refused(StatusCode::UNAUTHORIZED, "credentials_invalid");
    weir.login("nobody", PASSWORD).await.refused(StatusCode::UNAUTHORIZED, "credentials_invalid");

    let first = weir.login("ADA@example.org", PASSWORD).await.expect(StatusCode::OK);
    let second = weir.refresh(&first["refresh_token"]).await.expect(StatusCode::OK);
    weir.get(bearer(&second), "/api/v1/me").await.expect(StatusCode::OK);

    // The first one comes again: stolen. Everything of the session ends, another session does not.
    let other = weir.login("ada@example.org", PASSWORD).await.expect(StatusCode::OK);
    weir.refresh(&first["refresh_token"]).await.refused(StatusCode::UNAUTHORIZED, "refresh_token_invalid");
    weir.refresh(&second["refresh_token"]).await.refused(StatusCode::UNAUTHORIZED, "refresh_token_invalid");
    weir.get(bearer(&second), "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_revoked");
    weir.get(bearer(&first), "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_revoked");
    weir.get(bearer(&other), "/api/v1/me").await.expect(StatusCode::OK);

    let logout = json!({"refresh_token": other["refresh_token"]});
    let out = weir.post(As::default(), "/api/v1/auth/logout", logout).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(out.headers["weir-position"], "2");
    weir.get(bearer(&other), "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_revoked");
    weir.refresh(&other["refresh_token"]).await.refused(StatusCode::UNAUTHORIZED, "refresh_token_invalid");

    let last = weir.login("ada@example.org", PASSWORD).await.expect(StatusCode::OK);
    let out = weir.send(bearer(&last), Method::POST, "/api/v1/auth/logout", None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    weir.get(bearer(&last), "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_revoked");
    let nobody = weir.send(As::default(), Method::POST, "/api/v1/auth/logout", None).await;
    nobody.refused(StatusCode::UNAUTHORIZED, "token_missing");
    weir.stop().await;

    // Another process knows what ended, too.
    let weir = world.start().await;
    weir.get(bearer(&last), "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_revoked");
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_refresh_at_once_one_is_a_thief() {
    let world = World::new().await;
    let weir = world.start().await;
    let ada = weir.register("ada@example.org").await;
    let both = futures::future::join_all((0..2).map(|_| weir.refresh(&ada["refresh_token"]))).await;
    let mut statuses: Vec<u16> = both.iter().map(|a| a.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    weir.get(bearer(&ada), "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_revoked");
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_told_apart() {
    let world = World::new().await;
    let weir = world.start().await;
    let ada = weir.register("ada@example.org").await;
    let answer = weir.get(As::default(), "/api/v1/me").await;
    assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"weir\"");
    answer.refused(StatusCode::UNAUTHORIZED, "token_missing");
    let token = |token| As { token: Some(token), ..As::default() };
    weir.get(token("rubbish"), "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_invalid");
    let foreign = weir_infra::auth::Tokens::new(&SigningKey::generate());
    let ids = |v: &Value| text(v).parse::<Uuid>().unwrap();
    let (user, workspace) = (ids(&ada["user"]["id"]).into(), ids(&ada["workspace"]["id"]).into());
    let forged = foreign.issue(user, workspace, SessionId(Uuid::nil()), Utc::now()).unwrap().0;
    weir.get(token(&forged), "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_invalid");
    let ours = weir_infra::auth::Tokens::new(&world.key);
    let old = ours
        .issue(user, workspace, SessionId(Uuid::nil()), Utc::now() - chrono::TimeDelta::minutes(31))
        .unwrap()
        .0;
    weir.get(token(&old), "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_expired");
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() {
    let mut world = World::new().await;
    world.options.per_account = Limit { attempts: 3, window: Duration::from_secs(3600) };
    world.options.per_address = Limit { attempts: 9, window: Duration::from_secs(3600) };
    let weir = world.start().await;
    weir.register("ada@example.org").await;
    async fn guess(weir: &Weir, address: &str, email: &str) -> Answer {
        let body = json!({"email": email, "password": "a wrong password"});
        weir.post(As { address: Some(address), ..As::default() }, "/api/v1/auth/login", body).await
    }
    // From one address an account has three tries, from all together thirty.
    for n in 0..30 {
        let address = format!("198.51.100.{}", n / 3);
        guess(&weir, &address, "ada@example.org").await.expect(StatusCode::UNAUTHORIZED);
        if n == 2 {
            guess(&weir, &address, "ada@example.org")
                .await
                .refused(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts");
        }
    }
    let slowed = guess(&weir, "198.51.100.99", "ada@example.org").await;
    let wait: u64 = slowed.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=1200).contains(&wait), "{wait}");
    slowed.refused(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts");
    // The right password does not help any more either.
    weir.login("ada@example.org", PASSWORD).await.refused(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts");
    for n in 0..9 {
        guess(&weir, "203.0.113.5", &format!("{n}@example.org")).await.expect(StatusCode::UNAUTHORIZED);
    }
    guess(&weir, "203.0.113.5", "x@example.org")
        .await
        .refused(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts");
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_keys_do_what_their_role_says_until_they_are_deleted() {
    let world = World::new().await;
    let weir = world.start().await;
    let ada = weir.register("ada@example.org").await;
    let keys = "/api/v1/api-keys";
    let made = weir
        .post(bearer(&ada), keys, json!({"name": "ci", "role": "viewer"}))
        .await
        .expect(StatusCode::CREATED);
    let secret = text(&made["key"]).to_owned();
    let program = As { token: Some(&secret), ..As::default() };

    let me = weir.get(program.clone(), "/api/v1/me").await.expect(StatusCode::OK);
    assert_eq!((&me["user"]["id"], &me["workspaces"][0]["role"]), (&ada["user"]["id"], &json!("viewer")));
    let personal = format!("/api/v1/workspaces/{}", text(&ada["workspace"]["id"]));
    let rename = weir.send(program.clone(), Method::PATCH, &personal, Some(json!({"name": "mine"}))).await;
    rename.refused(StatusCode::FORBIDDEN, "role_too_low");
    weir.post(program.clone(), keys, json!({"name": "x", "role": "viewer"}))
        .await
        .refused(StatusCode::FORBIDDEN, "person_required");
    weir.post(program.clone(), "/api/v1/workspaces", json!({"name": "x"}))
        .await
        .refused(StatusCode::FORBIDDEN, "person_required");

    // It is for one workspace only, whatever else its maker is in.
    let other = weir
        .post(bearer(&ada), "/api/v1/workspaces", json!({"name": "Other"}))
        .await
        .expect(StatusCode::CREATED);
    let elsewhere = As { workspace: Some(text(&other["id"])), ..program.clone() };
    weir.get(elsewhere, keys).await.refused(StatusCode::NOT_FOUND, "workspace_not_found");

    let list = weir.get(bearer(&ada), keys).await.expect(StatusCode::OK);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert!(!list.to_string().contains(&secret) && list["items"][0].get("key").is_none());
    let wrong = format!("{}A", &secret[..secret.len() - 1]);
    let wrong = if wrong == secret { format!("{}B", &secret[..secret.len() - 1]) } else { wrong };
    let guessed = weir.get(As { token: Some(&wrong), ..As::default() }, "/api/v1/me").await;
    guessed.refused(StatusCode::UNAUTHORIZED, "token_invalid");

    let bob = weir.register("bob@example.org").await;
    let path = format!("{keys}/{}", text(&made["id"]));
    weir.send(bearer(&bob), Method::DELETE, &path, None)
        .await
        .refused(StatusCode::NOT_FOUND, "api_key_not_found");
    let deleted = weir.send(bearer(&ada), Method::DELETE, &path, None).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    weir.get(program, "/api/v1/me").await.refused(StatusCode::UNAUTHORIZED, "token_invalid");
    weir.send(bearer(&ada), Method::DELETE, &path, None)
        .await
        .refused(StatusCode::NOT_FOUND, "api_key_not_found");
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_ends_the_others_learn() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    let ada = one.register("ada@example.org").await;
    let key = one
        .post(bearer(&ada), "/api/v1/api-keys", json!({"name": "k", "role": "owner"}))
        .await
        .expect(StatusCode::CREATED);
    let program = As { token: Some(text(&key["key"])), ..As::default() };
    two.get(program.clone(), "/api/v1/workspaces").await.expect(StatusCode::OK);
    two.get(bearer(&ada), "/api/v1/workspaces").await.expect(StatusCode::OK);
    one.send(bearer(&ada), Method::DELETE, &format!("/api/v1/api-keys/{}", text(&key["id"])), None).await;
    one.send(bearer(&ada), Method::POST, "/api/v1/auth/logout", None).await;
    two.revocations.refresh(world.database.pool(), Utc::now()).await.unwrap();
    two.get(program, "/api/v1/workspaces").await.refused(StatusCode::UNAUTHORIZED, "token_invalid");
    two.get(bearer(&ada), "/api/v1/workspaces").await.refused(StatusCode::UNAUTHORIZED, "token_revoked");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_have_roles_and_owners_remain() {
    let world = World::new().await;
    let weir = world.start().await;
    let (ada, bob) = (weir.register("ada@example.org").await, weir.register("bob@example.org").await);
    let team = weir
        .post(bearer(&ada), "/api/v1/workspaces", json!({"name": " Team "}))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!((&team["name"], &team["role"]), (&json!("Team"), &json!("owner")));
    let path = format!("/api/v1/workspaces/{}", text(&team["id"]));
    let members = format!("{path}/members");
    let (adas, bobs) = (text(&ada["user"]["id"]), text(&bob["user"]["id"]));

    // To Bob it is not there.
    weir.get(bearer(&bob), &path).await.refused(StatusCode::NOT_FOUND, "workspace_not_found");
    weir.get(bearer(&bob), &members).await.refused(StatusCode::NOT_FOUND, "workspace_not_found");
    weir.get(bearer(&bob), &format!("/api/v1/workspaces/{}", Uuid::nil()))
        .await
        .refused(StatusCode::NOT_FOUND, "workspace_not_found");
    let inside = As { workspace: Some(text(&team["id"])), ..bearer(&bob) };
    weir.get(inside.clone(), "/api/v1/api-keys").await.refused(StatusCode::NOT_FOUND, "workspace_not_found");

    let stranger = json!({"email": "eve@example.org", "role": "viewer"});
    weir.post(bearer(&ada), &members, stranger).await.refused(StatusCode::NOT_FOUND, "user_not_found");
    let add = json!({"email": "BOB@example.org", "role": "viewer"});
    let added = weir.post(bearer(&ada), &members, add.clone()).await.expect(StatusCode::CREATED);
    assert_eq!((&added["user_id"], &added["role"]), (&json!(bobs), &json!("viewer")));
    assert_eq!((&added["email"], &added["name"]), (&json!("BOB@example.org"), &Value::Null));
    weir.post(bearer(&ada), &members, add).await.refused(StatusCode::CONFLICT, "already_member");
    weir.post(bearer(&ada), &members, json!({"email": "bob@example.org", "role": "king"}))
        .await
        .refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body");

    // Now he sees it and may do what a viewer may.
    let seen = weir.get(bearer(&bob), &path).await.expect(StatusCode::OK);
    assert_eq!(seen["share_rows"], false);
    let share = json!({"share_rows": true});
    let refused = weir.send(bearer(&bob), Method::PATCH, &path, Some(share.clone())).await;
    refused.refused(StatusCode::FORBIDDEN, "role_too_low");
    let shared = weir.send(bearer(&ada), Method::PATCH, &path, Some(share)).await.expect(StatusCode::OK);
    assert_eq!((&shared["share_rows"], &shared["name"]), (&json!(true), &seen["name"]));
    assert_eq!(weir.get(bearer(&bob), &path).await.expect(StatusCode::OK)["share_rows"], true);
    let nothing = weir.send(bearer(&ada), Method::PATCH, &path, Some(json!({}))).await;
    nothing.refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value");
    let rename = weir.send(bearer(&bob), Method::PATCH, &path, Some(json!({"name": "Bob's"}))).await;
    rename.refused(StatusCode::FORBIDDEN, "role_too_low");
    let high = weir.post(inside.clone(), "/api/v1/api-keys", json!({"name": "k", "role": "editor"})).await;
    high.refused(StatusCode::FORBIDDEN, "role_too_low");
    let make_key = async |who| {
        let body = json!({"name": "k", "role": "viewer"});
        weir.post(who, "/api/v1/api-keys", body).await.expect(StatusCode::CREATED)
    };
    let inside_too = As { workspace: Some(text(&team["id"])), ..bearer(&ada) };
    let (adas_key, bobs_key) = (make_key(inside_too).await, make_key(inside.clone()).await);
    let list = weir.get(bearer(&bob), &members).await.expect(StatusCode::OK);
    let seen: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|m| (text(&m["email"]), text(&m["role"]))).collect();
    assert_eq!(seen, [("ada@example.org", "owner"), ("bob@example.org", "viewer")]);

    // The last owner stays; two may change places.
    let (of_ada, of_bob) = (format!("{members}/{adas}"), format!("{members}/{bobs}"));
    let change = |who, path: &str, role: &str| {
        let path = path.to_owned();
        let body = json!({"role": role});
        let weir = &weir;
        async move { weir.send(who, Method::PATCH, &path, Some(body)).await }
    };
    change(bearer(&ada), &of_ada, "editor").await.refused(StatusCode::CONFLICT, "last_owner");
    change(bearer(&bob), &of_bob, "owner").await.refused(StatusCode::FORBIDDEN, "role_too_low");
    change(bearer(&ada), &of_bob, "owner").await.expect(StatusCode::OK);
    let (a, b) =
        tokio::join!(change(bearer(&ada), &of_bob, "viewer"), change(bearer(&bob), &of_ada, "viewer"));
    let done = [&a, &b].iter().filter(|x| x.status == StatusCode::OK).count();
    assert_eq!(done, 1, "one of two who demote each other is left: {} {}", a.status, b.status);
    let list = weir.get(bearer(&ada), &members).await.expect(StatusCode::OK);
    assert_eq!(list["items"].as_array().unwrap().iter().filter(|m| m["role"] == "owner").count(), 1);

    // Whoever is the owner now sends the other one away, and with them goes their key.
    let (owner, leaver, leaver_path, key) = if a.status == StatusCode::OK {
        (&ada, &bob, &of_bob, &bobs_key)
    } else {
        (&bob, &ada, &of_ada, &adas_key)
    };
    let program = As { token: Some(text(&key["key"])), ..As::default() };
    weir.get(program.clone(), "/api/v1/api-keys").await.expect(StatusCode::OK);
    let removed = weir.send(bearer(owner), Method::DELETE, leaver_path, None).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    weir.get(bearer(leaver), &path).await.refused(StatusCode::NOT_FOUND, "workspace_not_found");
    weir.get(program, "/api/v1/api-keys").await.refused(StatusCode::NOT_FOUND, "workspace_not_found");
    weir.send(bearer(owner), Method::DELETE, leaver_path, None)
        .await
        .refused(StatusCode::NOT_FOUND, "member_not_found");

    // A personal workspace stays with its owner, also when there is another one.
    let personal = format!("/api/v1/workspaces/{}/members", text(&ada["workspace"]["id"]));
    weir.post(bearer(&ada), &personal, json!({"email": "bob@example.org", "role": "owner"}))
        .await
        .expect(StatusCode::CREATED);
    let evict = weir.send(bearer(&bob), Method::DELETE, &format!("{personal}/{adas}"), None).await;
    evict.refused(StatusCode::CONFLICT, "personal_workspace");
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_an_account_cannot_be_found_out_by_trying() {
    let mut world = World::new().await;
    world.options.per_account = Limit { attempts: 3, window: Duration::from_secs(3600) };
    let weir = world.start().await;
    let (ada, bob) = (weir.register("ada@example.org").await, weir.register("bob@example.org").await);
    let probe = async |who, n: u32| {
        let members = format!("/api/v1/workspaces/{}/members", text(&ada["workspace"]["id"]));
        weir.post(who, &members, json!({"email": format!("{n}@example.org"), "role": "viewer"})).await
    };
    for n in 0..3 {
        probe(bearer(&ada), n).await.refused(StatusCode::NOT_FOUND, "user_not_found");
    }
    let other = As { address: Some("192.0.2.7"), ..bearer(&ada) };
    probe(other, 3).await.refused(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts");
    // It is of no use to someone else.
    let members = format!("/api/v1/workspaces/{}/members", text(&bob["workspace"]["id"]));
    let add = json!({"email": "ada@example.org", "role": "viewer"});
    weir.post(bearer(&bob), &members, add).await.expect(StatusCode::CREATED);
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_that_are_over_go() {
    let world = World::new().await;
    let weir = world.start().await;
    let mut session = weir.register("ada@example.org").await;
    for _ in 0..3 {
        session = weir.refresh(&session["refresh_token"]).await.expect(StatusCode::OK);
    }
    let client = world.database.pool().get().await.unwrap();
    let over =
        "UPDATE accounts.refresh_tokens SET expires_at = now() - interval '1 s' WHERE used_at IS NOT NULL";
    assert_eq!(client.execute(over, &[]).await.unwrap(), 3);
    weir.refresh(&session["refresh_token"]).await.expect(StatusCode::OK);
    let left = client.query_one("SELECT count(*) FROM accounts.refresh_tokens", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 2, "the one that was just used, and its successor");
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_does_not_bring_a_deleted_api_key_back() {
    let world = World::new().await;
    let weir = world.start().await;
    let ada = weir.register("ada@example.org").await;
    let make = async || {
        let who = As { key: Some("k"), ..bearer(&ada) };
        weir.post(who, "/api/v1/api-keys", json!({"name": "k", "role": "owner"})).await
    };
    let key = make().await.expect(StatusCode::CREATED);
    weir.send(bearer(&ada), Method::DELETE, &format!("/api/v1/api-keys/{}", text(&key["id"])), None).await;
    // The first answer is not kept any more.
    let jetstream = async_nats::jetstream::new(world.nats.client().await);
    jetstream.get_stream("KV_WEIR_REPLIES").await.unwrap().purge().await.unwrap();
    make().await.refused(StatusCode::NOT_FOUND, "api_key_not_found");
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_broke_off_is_completed() {
    let world = World::new().await;
    let weir = world.start().await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada"});
    let register = |key| weir.post(As { key, ..As::default() }, "/api/v1/auth/register", body.clone());

    // The row is there, the events are not; another password does not get in.
    weir.failure.store(BEFORE, Ordering::SeqCst);
    register(None).await.refused(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable");
    assert_eq!(weir.events().await.len(), 0);
    let other = json!({"email": "ada@example.org", "password": "a different password", "name": "Eve"});
    weir.post(As::default(), "/api/v1/auth/register", other)
        .await
        .refused(StatusCode::CONFLICT, "email_taken");
    let ada = register(None).await.expect(StatusCode::CREATED);
    assert_eq!(weir.events().await.len(), 2);
    let me = weir.get(bearer(&ada), "/api/v1/me").await.expect(StatusCode::OK);
    assert_eq!(me["workspaces"][0]["id"], ada["workspace"]["id"]);

    // The events are there, and it is not known: logging in finds them.
    weir.failure.store(AFTER, Ordering::SeqCst);
    let bob = json!({"email": "bob@example.org", "password": PASSWORD, "name": "Bob"});
    let lost = weir.post(As { key: Some("k"), ..As::default() }, "/api/v1/auth/register", bob.clone()).await;
    lost.refused(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable");
    let signed = weir.login("bob@example.org", PASSWORD).await.expect(StatusCode::OK);
    assert_eq!(weir.events().await.len(), 4);
    // So does the same keyed request, also after it was completed.
    let keyed = weir
        .post(As { key: Some("k"), ..As::default() }, "/api/v1/auth/register", bob.clone())
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(keyed["workspace"]["id"], signed["workspace"]["id"]);
    weir.post(As { key: Some("other"), ..As::default() }, "/api/v1/auth/register", bob)
        .await
        .refused(StatusCode::CONFLICT, "email_taken");
    assert_eq!(weir.events().await.len(), 4);
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_registrations_at_once_one_makes_the_account() {
    let world = World::new().await;
    let weir = world.start().await;
    let register = async |key, email: &str| {
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada"});
        weir.post(As { key, ..As::default() }, "/api/v1/auth/register", body).await
    };
    let count = |answers: &[Answer], status| answers.iter().filter(|a| a.status == status).count();

    // While the first one is between row and events, the second one comes and completes it.
    weir.failure.store(HELD, Ordering::SeqCst);
    let second = async {
        weir.gate.arrived().await;
        let second = register(None, "ada@example.org").await;
        weir.gate.open();
        second
    };
    let (first, second) = tokio::join!(register(None, "ada@example.org"), second);
    second.expect(StatusCode::CREATED);
    first.refused(StatusCode::CONFLICT, "email_taken");
    assert_eq!(weir.events().await.len(), 2);

    // A keyed one is completed by its own repetition only, since that gets its answer.
    weir.failure.store(HELD, Ordering::SeqCst);
    let others = async {
        weir.gate.arrived().await;
        let others =
            [register(None, "bob@example.org").await, register(Some("other"), "bob@example.org").await];
        let again = register(Some("k"), "bob@example.org").await;
        weir.gate.open();
        (others, again)
    };
    let (first, (others, again)) = tokio::join!(register(Some("k"), "bob@example.org"), others);
    for other in others {
        other.refused(StatusCode::CONFLICT, "email_taken");
    }
    again.refused(StatusCode::CONFLICT, "request_in_progress");
    let first = first.expect(StatusCode::CREATED);
    let again = register(Some("k"), "bob@example.org").await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(StatusCode::CREATED), first);
    assert_eq!(weir.events().await.len(), 4);

    // Many, however they meet.
    for key in [None, Some("crowd")] {
        let email = format!("{}@example.org", key.unwrap_or("many"));
        let answers = futures::future::join_all((0..20).map(|_| register(key, &email))).await;
        let made = count(&answers, StatusCode::CREATED);
        assert_eq!(made + count(&answers, StatusCode::CONFLICT), 20);
        let replayed = answers.iter().filter(|a| a.headers.contains_key("idempotency-replayed")).count();
        assert_eq!(made - replayed, 1, "{key:?}");
        assert!(key.is_some() || replayed == 0);
        let users: std::collections::HashSet<_> = answers
            .iter()
            .filter(|a| a.status == StatusCode::CREATED)
            .map(|a| text(&a.body["user"]["id"]))
            .collect();
        assert_eq!(users.len(), 1);
    }
    assert_eq!(weir.events().await.len(), 8);
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyed_requests_are_carried_out_once() {
    let world = World::new().await;
    let weir = world.start().await;
    let register = json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada"});
    let keyed = As { key: Some("1"), ..As::default() };
    let ada =
        weir.post(keyed.clone(), "/api/v1/auth/register", register.clone()).await.expect(StatusCode::CREATED);
    let (path, body) = ("/api/v1/workspaces", json!({"name": "Team"}));
    let k = |key| As { key: Some(key), ..bearer(&ada) };
    let first = weir.post(k("w"), path, body.clone()).await.expect(StatusCode::CREATED);
    let key = weir
        .post(k("a"), "/api/v1/api-keys", json!({"name": "k", "role": "owner"}))
        .await
        .expect(StatusCode::CREATED);
    // Carried out, and then the answer is lost.
    weir.failure.store(AFTER, Ordering::SeqCst);
    weir.post(k("lost"), path, body.clone())
        .await
        .refused(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable");
    weir.stop().await;

    let weir = world.start().await;
    let again = weir.post(k("w"), path, body.clone()).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["weir-position"].to_str().unwrap(), first["position"].to_string());
    assert_eq!(again.expect(StatusCode::CREATED), first);
    let same = weir
        .post(k("a"), "/api/v1/api-keys", json!({"name": "k", "role": "owner"}))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(same, key);
    let replayed =
        weir.post(keyed.clone(), "/api/v1/auth/register", register).await.expect(StatusCode::CREATED);
    assert_eq!(replayed, ada);
    let other = json!({"email": "ada@example.org", "password": "another password", "name": "Ada"});
    weir.post(keyed.clone(), "/api/v1/auth/register", other)
        .await
        .refused(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused");
    // Strangers who choose the same key do not meet.
    let bob = json!({"email": "bob@example.org", "password": PASSWORD, "name": "Bob"});
    weir.post(keyed, "/api/v1/auth/register", bob).await.expect(StatusCode::CREATED);

    let found = weir.post(k("lost"), path, body).await.expect(StatusCode::CREATED);
    assert_ne!(found["id"], first["id"]);
    let list = weir.get(bearer(&ada), path).await.expect(StatusCode::OK);
    assert_eq!(list["items"].as_array().unwrap().len(), 3, "{list}");
    let keys = weir.get(bearer(&ada), "/api/v1/api-keys").await.expect(StatusCode::OK);
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyed_refresh_whose_answer_was_lost_can_be_repeated() {
    let world = World::new().await;
    let weir = world.start().await;
    let ada = weir.register("ada@example.org").await;
    let body = json!({"refresh_token": ada["refresh_token"]});
    let keyed = As { key: Some("r"), ..As::default() };
    let first = weir.post(keyed.clone(), "/api/v1/auth/refresh", body.clone()).await.expect(StatusCode::OK);
    // As if the answer had never been kept: the bucket forgets everything.
    let stream = async_nats::jetstream::new(world.nats.client().await);
    stream.get_stream("KV_WEIR_REPLIES").await.unwrap().purge().await.unwrap();
    let again = weir.post(keyed, "/api/v1/auth/refresh", body.clone()).await;
    assert!(!again.headers.contains_key("idempotency-replayed"));
    let again = again.expect(StatusCode::OK);
    assert_eq!(again["refresh_token"], first["refresh_token"]);
    weir.refresh(&again["refresh_token"]).await.expect(StatusCode::OK);
    weir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let world = World::new().await;
    let weir = world.start().await;
    let ada = weir.register("ada@example.org").await;
    for name in ["c", "a", "b", "d"] {
        weir.post(bearer(&ada), "/api/v1/workspaces", json!({"name": name}))
            .await
            .expect(StatusCode::CREATED);
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/workspaces?limit=2&sort=-name&fields=name{cursor}");
        let page = weir.get(bearer(&ada), &path).await.expect(StatusCode::OK);
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item.as_object().unwrap().len(), 1);
            names.push(text(&item["name"]).to_owned());
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(names, ["Personal", "d", "c", "b", "a"]);
    let workspace = text(&ada["workspace"]["id"]);
    for path in ["workspaces", "api-keys", &format!("workspaces/{workspace}/members")] {
        for bad in [
            "limit=0",
            "limit=201",
            "limit=1&limit=2",
            "sort=shoe",
            "cursor=x",
            "fields=",
            "fields=shoe",
            "colour=red",
        ] {
            let answer = weir.get(bearer(&ada), &format!("/api/v1/{path}?{bad}")).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}?{bad}");
        }
    }
    for path in ["me", &format!("workspaces/{workspace}")] {
        for bad in ["limit=1", "fields=shoe", "colour=red"] {
            let answer = weir.get(bearer(&ada), &format!("/api/v1/{path}?{bad}")).await;
            answer.refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid_parameter");
        }
    }
    let me = weir.get(bearer(&ada), "/api/v1/me?fields=user.name").await.expect(StatusCode::OK);
    assert_eq!(me, json!({"user": {"name": "Ada"}}));
    weir.stop().await;
}

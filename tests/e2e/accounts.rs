//! Accounts over HTTP: roles between two people, keys, tokens that were taken back.

use reqwest::{Method, StatusCode};
use serde_json::json;
use weir_tests::{PASSWORD, Weir, expect};

#[tokio::test(flavor = "multi_thread")]
async fn members_may_do_what_their_role_says() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let bob = weir.register("bob").await;
    let shared = ada.make("/api/v1/workspaces", &json!({"name": "shared"}), StatusCode::CREATED).await;
    let id = shared["id"].as_str().unwrap().to_owned();
    let members = format!("/api/v1/workspaces/{id}/members");
    ada.make(&members, &json!({"email": bob.email, "role": "viewer"}), StatusCode::CREATED).await;

    let within = |caller: &weir_tests::Caller, method: Method, path: &str| {
        caller.request(method, path).header("weir-workspace", &id)
    };
    let upload =
        |caller| within(caller, Method::POST, "/api/v1/datasets?name=t").header("content-type", "text/csv");
    let refused = upload(&bob).body("a\n1\n").send().await.unwrap();
    let problem = expect(refused, StatusCode::FORBIDDEN).await;
    assert_eq!(problem["code"], "role_too_low");
    let answer = upload(&ada).header("prefer", "wait=30").body("a\n1\n").send().await.unwrap();
    expect(answer, StatusCode::CREATED).await;
    let answer =
        within(&bob, Method::POST, "/api/v1/queries").json(&json!({"sql": "SELECT sum(a) AS s FROM t"}));
    let answer = expect(answer.send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(answer["rows"], json!([[1]]));

    let bobs = bob.read("/api/v1/me").await["user"]["id"].as_str().unwrap().to_owned();
    let changed = ada.request(Method::PATCH, &format!("{members}/{bobs}")).json(&json!({"role": "editor"}));
    assert!(changed.send().await.unwrap().status().is_success());
    let answer = within(&bob, Method::POST, "/api/v1/datasets?name=u").header("content-type", "text/csv");
    assert_eq!(answer.body("a\n1\n").send().await.unwrap().status(), StatusCode::ACCEPTED);

    let removed = ada.request(Method::DELETE, &format!("{members}/{bobs}")).send().await.unwrap();
    assert!(removed.status().is_success());
    let gone = within(&bob, Method::GET, "/api/v1/datasets").send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);

    // The last owner stays.
    let adas = ada.read("/api/v1/me").await["user"]["id"].as_str().unwrap().to_owned();
    let last = ada.request(Method::DELETE, &format!("{members}/{adas}")).send().await.unwrap();
    assert_eq!(last.status(), StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_refresh_token_revokes_the_whole_family() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let nobody = weir.anonymous();
    let login = json!({"email": ada.email, "password": PASSWORD});
    let first = nobody.make("/api/v1/auth/login", &login, StatusCode::OK).await;
    let refresh = |token: &serde_json::Value| json!({"refresh_token": token});
    let second = nobody.make("/api/v1/auth/refresh", &refresh(&first["refresh_token"]), StatusCode::OK).await;
    nobody.make("/api/v1/auth/refresh", &refresh(&first["refresh_token"]), StatusCode::UNAUTHORIZED).await;
    nobody.make("/api/v1/auth/refresh", &refresh(&second["refresh_token"]), StatusCode::UNAUTHORIZED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_is_slowed_down_with_a_time_to_come_back() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let nobody = weir.anonymous();
    for _ in 0..50 {
        let wrong = json!({"email": ada.email, "password": "not the password"});
        let answer = nobody.post("/api/v1/auth/login").json(&wrong).send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!(wait > 0);
            return;
        }
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    panic!("fifty guesses were allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_belongs_to_one_workspace_and_ends_when_deleted() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let made =
        ada.make("/api/v1/api-keys", &json!({"name": "ci", "role": "viewer"}), StatusCode::CREATED).await;
    let mut program = ada.clone();
    program.token = Some(made["key"].as_str().expect("shown once").to_owned());
    program.read("/api/v1/datasets").await;
    let refused = program.post("/api/v1/datasets?name=t").header("content-type", "text/csv").body("a\n1\n");
    assert_eq!(refused.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let list = ada.read("/api/v1/api-keys").await;
    assert!(!list.to_string().contains(program.token.as_deref().unwrap()), "never shown again");
    let path = format!("/api/v1/api-keys/{}", made["id"].as_str().unwrap());
    assert!(ada.request(Method::DELETE, &path).send().await.unwrap().status().is_success());
    assert_eq!(program.get("/api/v1/datasets").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

//! The HTTP server around the routes of whichever roles run in this process.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use actix_web::{
    App, HttpServer,
    middleware::{Compress, from_fn},
    web::{self, Data, ServiceConfig},
};
use anyhow::{Context, bail};
use weir_infra::{
    auth::{Authenticator, Operators},
    http::{Methods, TrustedProxies, edge, idempotency},
};

use crate::{
    lifecycle::Lifecycle,
    openapi,
    settings::{Listen, Settings},
};

/// Adds one role's routes to an application.
pub(crate) type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// A bound port. Requests wait in it until the server is there.
pub(crate) struct Bound {
    listener: TcpListener,
    /// How people and programs on this machine reach it.
    pub(crate) url: String,
    /// Set when another port than the usual one had to do.
    pub(crate) instead_of: Option<SocketAddr>,
}

/// Takes the port; where nobody asked for a certain one, any free one does.
pub(crate) fn bind(listen: Listen) -> anyhow::Result<Bound> {
    let Listen { address, given } = listen;
    let (listener, instead_of) = match TcpListener::bind(address) {
        Ok(listener) => (listener, None),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && !given => {
            let free = TcpListener::bind((address.ip(), 0)).context("listen: there is no free port")?;
            (free, Some(address))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("listen: {address} is taken by another process; pass another --listen")
        }
        Err(error) => return Err(error).with_context(|| format!("listen: cannot listen on {address}")),
    };
    let mut at = listener.local_addr().context("listen")?;
    if at.ip().is_unspecified() {
        at.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(Bound { listener, url: format!("http://{at}"), instead_of })
}

/// What the middleware needs.
pub(crate) struct Guards {
    pub(crate) authenticator: Authenticator,
    pub(crate) replies: idempotency::ReplyStore,
    pub(crate) operators: Operators,
}

/// Serves the routes as a task at the edge: running requests are finished when it ends.
pub(crate) fn serve(
    bound: Bound,
    guards: Guards,
    routes: Vec<Routes>,
    settings: &Settings,
    lifecycle: &Lifecycle,
) -> anyhow::Result<()> {
    let authenticator = Data::new(guards.authenticator);
    let operators = Data::new(guards.operators);
    let claims = guards.replies.clone();
    let replies = Data::new(guards.replies);
    let methods = Methods::of(&openapi::document());
    let proxies = settings.trusted_proxies.clone();
    let server = HttpServer::new(move || {
        let app = match &proxies {
            Some(proxies) => App::new().app_data(TrustedProxies(proxies.clone())),
            None => App::new(),
        };
        app.app_data(authenticator.clone())
            .app_data(operators.clone())
            .app_data(replies.clone())
            .app_data(methods.clone())
            // The last one is the outermost: everything passes the edge first.
            .wrap(from_fn(idempotency::guard))
            .wrap(Compress::default())
            .wrap(from_fn(edge))
            .configure(|config| routes.iter().for_each(|add| add(config)))
            .default_service(web::to(weir_web::nowhere))
    })
    .workers(settings.http_workers)
    .shutdown_timeout(settings.drain_time.as_secs())
    .disable_signals()
    // A caller who goes away cancels what he asked for.
    .h1_allow_half_closed(false)
    .listen(bound.listener)
    .context("listen")?
    .run();
    let (handle, stop) = (server.handle(), lifecycle.edge());
    lifecycle.spawn_edge("the HTTP server", async move {
        tokio::pin!(server);
        tokio::select! {
            ended = &mut server => return ended.context("serving"),
            () = stop.cancelled() => {}
        }
        // The handle only asks; the server has to be polled to do it.
        let (_, ended) = tokio::join!(handle.stop(true), server);
        claims.settled().await;
        ended.context("stopping")
    });
    Ok(())
}

/// A line on standard output, for people and for programs that wait for it.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads it any more: nothing is lost.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_an_error_only_if_somebody_asked_for_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let bound = bind(Listen { address, given: false }).unwrap();
        assert_eq!(bound.instead_of, Some(address));
        assert_ne!(bound.url, format!("http://{address}"));
        let error = bind(Listen { address, given: true }).err().unwrap().to_string();
        assert!(error.starts_with(&format!("listen: {address} is taken")), "{error}");
    }

    #[test]
    fn an_address_for_all_interfaces_is_shown_as_one_that_can_be_opened() {
        let bound = bind(Listen { address: "0.0.0.0:0".parse().unwrap(), given: true }).unwrap();
        assert!(bound.url.starts_with("http://127.0.0.1:"), "{}", bound.url);
    }
}

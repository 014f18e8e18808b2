//! Which methods a path has: reads answer GET and HEAD alike, and a path that is asked with a method
//! that it does not have answers 405 and says which it has.

use std::{fmt, sync::Arc};

use actix_web::{
    FromRequest, Handler, Responder,
    dev::ResourceDef,
    guard::{self, Guard as _},
    http::Method,
    web,
};
use utoipa::openapi::{OpenApi, PathItem};

/// Serves GET and HEAD.
///
/// The path becomes a resource with its methods as a guard, so that another crate may serve other
/// methods of it.
pub fn read<F, Args>(cfg: &mut web::ServiceConfig, path: &str, handler: F)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    cfg.service(
        web::resource(path)
            .guard(guard::fn_guard(|ctx| guard::Get().check(ctx) || guard::Head().check(ctx)))
            .to(handler),
    );
}

/// The methods of every path of an API, as application data for [`super::edge`]: no single crate
/// knows what the others serve under its paths, the document of them all does.
#[derive(Clone)]
pub struct Methods(Arc<[(ResourceDef, Vec<Method>)]>);

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Methods").field(&self.0.len()).finish()
    }
}

impl Methods {
    /// Those of a document.
    pub fn of(document: &OpenApi) -> Self {
        let mut paths: Vec<_> = document.paths.paths.iter().collect();
        // A fixed path goes before one with a variable in its place: braces come after letters.
        paths.sort_by_key(|(path, _)| *path);
        Self(paths.into_iter().map(|(path, item)| (ResourceDef::new(path.as_str()), of(item))).collect())
    }

    /// The methods of what a path leads to; `None` where it leads nowhere.
    pub(super) fn at(&self, path: &str) -> Option<&[Method]> {
        self.0.iter().find(|(pattern, _)| pattern.is_match(path)).map(|(_, methods)| methods.as_slice())
    }
}

fn of(item: &PathItem) -> Vec<Method> {
    let read = item.get.is_some();
    [
        (Method::GET, read),
        (Method::HEAD, read),
        (Method::POST, item.post.is_some()),
        (Method::PUT, item.put.is_some()),
        (Method::PATCH, item.patch.is_some()),
        (Method::DELETE, item.delete.is_some()),
    ]
    .into_iter()
    .filter_map(|(method, there)| there.then_some(method))
    .collect()
}

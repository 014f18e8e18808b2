//! The way of every read here, the same as the read side's: who asks, how new what is read must be,
//! which parameters there are.

use std::sync::LazyLock;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web::Data};
use futures::future::LocalBoxFuture;
use serde::Serialize;
use utoipa::ToSchema;
use weir_events::Position;
use weir_infra::{
    auth::Identity,
    http::{
        Fields, MinPosition, Page, Params, Problem, Schemas, Sort, params::MIN_POSITION, position_header,
    },
};

use super::common::reached;
use crate::directory::Directory;

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| Schemas::of(&super::openapi()));

/// A read by someone, of a directory that is new enough. Needs `web::Data<Directory>`.
pub(super) struct Read<Who> {
    /// Who asks.
    pub(super) who: Who,
    /// The parameters that nobody took yet.
    pub(super) params: Params,
    /// Where the directory was: what is read now is as new as that, at least.
    at: Position,
    req: HttpRequest,
}

impl<Who: FromRequest<Error = Problem> + 'static> FromRequest for Read<Who> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(Self::of(req))
    }
}

impl<Who: FromRequest<Error = Problem>> Read<Who> {
    async fn of(req: HttpRequest) -> Result<Self, Problem> {
        let missing = || Problem::internal("the application has no Directory");
        let directory = req.app_data::<Data<Directory>>().ok_or_else(missing)?;
        // Waiting is for those who have a token.
        Identity::extract(&req).await?;
        let minimum = MinPosition::extract(&req).await?;
        // Before it is looked up who is in the workspace: that, too, stands in the directory.
        reached(directory, minimum).await?;
        let who = Who::extract(&req).await?;
        let mut params = Params::parse(req.query_string());
        params.text(MIN_POSITION);
        let at = directory.position();
        Ok(Self { who, params, at, req })
    }
}

impl<Who> Read<Who> {
    /// Where the directory was.
    pub(super) fn position(&self) -> Position {
        self.at
    }

    /// Which page of a list of `T` is wanted, in which order: one of those that it has, the first
    /// of them by default. Ends the reading of parameters.
    ///
    /// # Errors
    /// 422 for a parameter that is unknown or wrong, and for `fields` that `T` does not have.
    pub(super) fn list<T: ToSchema>(&mut self, orders: &[&str]) -> Result<(Page, Sort), Problem> {
        for name in ["limit", "cursor", "sort"] {
            self.params.text(name);
        }
        let page = Page::parse(self.req.path(), self.req.query_string())?;
        let fields = self.fields::<T>()?;
        let sort = page.sort_by(orders)?;
        Ok((Page { fields, ..page }, sort))
    }

    /// Which fields of a `T` are wanted; all where `None`. Ends the reading of parameters.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub(super) fn fields<T: ToSchema>(&mut self) -> Result<Option<Fields>, Problem> {
        let fields = self.params.text("fields");
        self.params.finish()?;
        fields.as_deref().map(|text| SCHEMAS.fields::<T>(text)).transpose()
    }

    /// Answers with JSON, reduced to the fields that are wanted.
    ///
    /// # Errors
    /// When the answer has no JSON form.
    pub(super) fn answer(
        &self,
        body: &impl Serialize,
        fields: Option<&Fields>,
    ) -> Result<HttpResponse, Problem> {
        let body = serde_json::to_value(body).map_err(Problem::internal)?;
        let body = match fields {
            Some(fields) => fields.apply(body),
            None => body,
        };
        let mut response = HttpResponse::Ok().json(body);
        position_header(&mut response, self.at);
        Ok(response)
    }
}

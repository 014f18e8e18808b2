//! `GET /api/v1/activity`: what happened, for people.

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::{Row, types::Json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_infra::http::{List, PageParams, Problem};

use crate::{
    http::Unanswered,
    list::{Key, Kind, Request, Statement, Tie},
    params::{Fresh, Params},
    read::{Read, Then},
    reader::{Decoded, Reader},
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Activity {
    /// Its event.
    pub(crate) position: i64,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// Who did it: `user:<id>`, `key:<id>:<user>` or `system:<worker>`.
    pub(crate) actor: String,
    /// The person behind that.
    pub(crate) user_id: Option<Uuid>,
    /// The event's type, such as `weir.dataset.uploaded.v2`.
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    /// What kind of thing it happened to: `dataset`, `query`, `visualization`, ...
    pub(crate) aggregate: String,
    /// Which one.
    pub(crate) subject_id: Uuid,
    /// The name that it had then.
    pub(crate) subject_name: Option<String>,
    /// A sentence without its subject: `uploaded flights`.
    pub(crate) title: String,
    /// The rest that is known.
    #[schema(value_type = Object)]
    pub(crate) detail: Value,
}

impl Activity {
    pub(crate) fn from_row(row: &Row) -> Decoded<Self> {
        let detail: Json<Value> = row.try_get("detail")?;
        Ok(Self {
            position: row.try_get("position")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            user_id: row.try_get("user_id")?,
            event_type: row.try_get("type")?,
            aggregate: row.try_get("aggregate")?,
            subject_id: row.try_get("subject_id")?,
            subject_name: row.try_get("subject_name")?,
            title: row.try_get("title")?,
            detail: detail.0,
        })
    }
}

/// The list's statement.
pub(crate) static LIST: Statement = Statement {
    template: include_str!("list.sql"),
    id: "a.subject_id",
    keys: &[Key { name: "position", expression: "a.position", kind: Kind::Number, tie: Tie::Unique }],
    default: "-position",
};

/// Which activity.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only events of these types, separated by commas.
    #[serde(rename = "type")]
    pub(crate) event_type: Option<String>,
    /// Only what happened to these kinds of things, separated by commas: dataset, query,
    /// visualization, workspace, member.
    pub(crate) aggregate: Option<String>,
    /// Only what this actor did: `user:<id>`, `key:<id>:<user>`, `system:<worker>`, or the id of a
    /// person, whether they did it themselves or through a key.
    pub(crate) actor: Option<String>,
    /// Only what happened to the thing of this id.
    pub(crate) subject: Option<Uuid>,
    /// Only from this moment on: an RFC 3339 time or a date.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Only before this moment.
    pub(crate) until: Option<DateTime<Utc>>,
}

impl Filter {
    fn take(params: &mut Params) -> Self {
        Self {
            event_type: params.text("type"),
            aggregate: params.text("aggregate"),
            actor: params.text("actor"),
            subject: params.take("subject", "a UUID"),
            since: params.moment("since"),
            until: params.moment("until"),
        }
    }

    /// Reads the part that `list` asks for.
    pub(crate) async fn read(&self, list: &Request, db: &Reader<'_>) -> Result<List<Activity>, Problem> {
        let words = |text: &Option<String>| -> Option<Vec<String>> {
            text.as_ref().map(|text| text.split(',').map(|word| word.trim().to_owned()).collect())
        };
        let (types, aggregates) = (words(&self.event_type), words(&self.aggregate));
        let user: Option<Uuid> = self.actor.as_ref().and_then(|actor| actor.parse().ok());
        let actor = self.actor.as_ref().filter(|_| user.is_none());
        let Self { subject, since, until, .. } = self;
        list.read(db, &[&types, &aggregates, &actor, &user, subject, since, until], Activity::from_row).await
    }
}

/// List what happened
///
/// The newest first; with `sort=position` the oldest.
#[utoipa::path(
    get,
    path = "/api/v1/activity",
    tag = "dashboard",
    operation_id = "list_activity",
    params(Filter, PageParams, Fresh, Then),
    responses(
        (status = 200, description = "What happened", body = List<Activity>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list(mut read: Read) -> Result<HttpResponse, Problem> {
    let list = read.list(&LIST)?;
    let filter = Filter::take(&mut read.params);
    let wanted = read.items::<Activity>()?;
    read.answer(wanted, async |db| filter.read(&list, db).await).await
}

//! The way of every read: who asks, how new it must be, what is asked for; then an answer from
//! what is kept ready, or from one transaction.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::header::{self, HeaderName, HeaderValue},
    web,
};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use futures::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use weir_events::{AsOf, Position, WorkspaceId};
use weir_infra::{
    auth::{Authenticator, Caller, Viewer},
    http::{Code, Fields, MinPosition, Page, Problem, position_header},
};

use crate::{
    cache::{Body, Entry, Turn, View},
    coding::Coding,
    fields, list,
    params::{MIN_POSITION, Params},
    reader::Reader,
    state::{self, Moment, State},
};

/// Which cache tier answered.
const CACHE: HeaderName = HeaderName::from_static("weir-cache");
/// How often a read waits for others that want the same before it goes by itself.
const WAITS: usize = 2;
/// Caches on the way must tell these apart.
const VARY: HeaderValue = HeaderValue::from_static("authorization, weir-workspace, accept, accept-encoding");

/// A read by someone who may, of models that are new enough. The extractor of every handler here.
pub(crate) struct Read {
    /// The parameters that nobody took yet.
    pub(crate) params: Params,
    state: web::Data<State>,
    view: View,
    route: String,
    page: Page,
    minimum: Position,
    if_none_match: Option<String>,
    /// Whether the caller wants no kept answer.
    anew: bool,
    /// How the caller would like it packed.
    coding: Option<Coding>,
    began: Instant,
    /// The past, if that is asked for.
    past: Option<Moment>,
}

/// The parameter that asks for the past, for the API's description.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by every read itself")]
pub(crate) struct Then {
    /// Shows everything as it was: at a time (RFC 3339, or a date for its first moment in UTC), or after
    /// the event at a position. What is counted by days is counted back from then; of a position, from
    /// the day of the workspace's last event by then.
    as_of: Option<String>,
}

/// What of an answer is wanted.
enum Selection {
    Whole(Fields),
    Items(Fields),
}

/// What came of a look into the database.
enum Found {
    /// The caller has the answer of this tag already.
    Known(String, Position),
    /// What was kept is still right.
    Verified(Arc<Entry>, Position),
    /// It was read.
    Read(Arc<Entry>, Position),
}

/// Everything of an answer, or what was asked for.
pub(crate) struct Wanted {
    selection: Option<Selection>,
    /// Whether the answer tells the position that it was read at.
    position: bool,
}

impl FromRequest for Read {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(Self::of(req))
    }
}

impl Read {
    async fn of(req: HttpRequest) -> Result<Self, Problem> {
        let began = Instant::now();
        let data = |what| Problem::internal(format!("the application has no {what}"));
        let state = req.app_data::<web::Data<State>>().cloned().ok_or_else(|| data("State"))?;
        let authenticator =
            req.app_data::<web::Data<Authenticator>>().ok_or_else(|| data("Authenticator"))?;
        authenticator.identify(&req).await?;
        let minimum = MinPosition::extract(&req).await?.0.unwrap_or_default();
        // Before it is looked up who is in the workspace: that, too, is a read model.
        wait(&state, minimum).await?;
        let caller = Caller::<Viewer>::extract(&req).await?;

        let query = req.query_string();
        let mut params = Params::parse(query);
        params.text(MIN_POSITION);
        let page = Page::parse(req.path(), query)?;
        let now = (state.0.sources.clock)();
        let past = match as_of(&mut params, now)? {
            Some(as_of) => Some(state.0.sources.past.at(caller.workspace, as_of).await?),
            None => None,
        };
        let moment = past.as_ref().and_then(|past| past.time);
        let keys = state.0.sources.vault.version(caller.workspace).await?;
        let view = View {
            workspace: caller.workspace,
            path: req.path().to_owned(),
            query: params.canonical().to_owned(),
            today: moment.unwrap_or(now).date_naive(),
            keys,
        };
        Ok(Self {
            params,
            view,
            route: req.match_pattern().unwrap_or_default(),
            page,
            minimum,
            if_none_match: if_none_match(&req),
            anew: no_cache(&req),
            coding: Coding::wanted(&req),
            began,
            past,
            state,
        })
    }

    /// The day that some numbers are counted back from (UTC).
    pub(crate) fn today(&self) -> NaiveDate {
        self.view.today
    }

    /// The moment that is shown; `None` for the present.
    pub(crate) fn as_of(&self) -> Option<DateTime<Utc>> {
        self.past.as_ref().and_then(|past| past.time)
    }

    /// The caller's workspace.
    pub(crate) fn workspace(&self) -> WorkspaceId {
        self.view.workspace
    }

    /// What the handlers share.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Takes `limit`, `cursor` and `sort` for a list.
    ///
    /// # Errors
    /// 422 when they do not fit it.
    pub(crate) fn list(&mut self, statement: &'static list::Statement) -> Result<list::Request, Problem> {
        for name in ["limit", "cursor", "sort"] {
            self.params.text(name);
        }
        statement.request(self.page.clone())
    }

    /// Ends the reading of parameters, for an answer of type `T`.
    ///
    /// # Errors
    /// 422 for a parameter that is unknown or wrong, and for `fields` that `T` does not have.
    pub(crate) fn whole<T: ToSchema>(&mut self) -> Result<Wanted, Problem> {
        let fields = self.fields::<T>()?;
        Ok(Wanted { selection: fields.map(Selection::Whole), position: false })
    }

    /// The same for a `T` whose field `position` is the one that it was read at. That field is left
    /// to [`Self::answer`]; what is serialised does not have it.
    ///
    /// # Errors
    /// As [`Self::whole`].
    pub(crate) fn whole_with_position<T: ToSchema>(&mut self) -> Result<Wanted, Problem> {
        let fields = self.fields::<T>()?;
        let position = fields.as_ref().is_none_or(|f| f.has("position"));
        Ok(Wanted { selection: fields.map(Selection::Whole), position })
    }

    /// The same for a list of `T`.
    ///
    /// # Errors
    /// As [`Self::whole`].
    pub(crate) fn items<T: ToSchema>(&mut self) -> Result<Wanted, Problem> {
        let fields = self.fields::<T>()?;
        Ok(Wanted { selection: fields.map(Selection::Items), position: false })
    }

    fn fields<T: ToSchema>(&mut self) -> Result<Option<Fields>, Problem> {
        let fields = self.params.text("fields");
        self.params.finish()?;
        fields.as_deref().map(fields::parse::<T>).transpose()
    }

    /// Answers: 304 or what is kept ready where that is current, else with what `work` reads.
    ///
    /// # Errors
    /// Those of `work`, and 503 when the database cannot be reached.
    pub(crate) async fn answer<T: Serialize>(
        self,
        wanted: Wanted,
        work: impl AsyncFnOnce(&Reader<'_>) -> Result<T, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let state = self.state.0.clone();
        if self.anew {
            let found = self.read(wanted, work, None).await?;
            return self.finish_with(found, "bypass").await;
        }
        let (mut kept, mut outcome, mut flight) = (state.answers.get(&self.view).await, "hit", None);
        for _ in 0..WAITS {
            if let Some(entry) = &kept
                && let Some(position) = self.still_holds(entry)
            {
                return self.respond(entry, position, outcome).await;
            }
            match state.flights.turn(&self.view).await {
                Turn::Read(mine) => {
                    flight = Some(mine);
                    break;
                }
                Turn::Waited => (kept, outcome) = (state.answers.get(&self.view).await, "shared"),
            }
        }
        // Read just before it was this one's turn?
        let newer = state.answers.get(&self.view).await;
        if let Some(entry) = &newer
            && let Some(position) = self.still_holds(entry)
        {
            drop(flight);
            return self.respond(entry, position, "shared").await;
        }
        let found = self.read(wanted, work, newer).await?;
        drop(flight);
        self.finish_with(found, "miss").await
    }

    async fn finish_with(&self, found: Found, outcome: &'static str) -> Result<HttpResponse, Problem> {
        match found {
            Found::Known(etag, position) => Ok(self.not_modified(&etag, position)),
            Found::Verified(entry, position) => self.respond(&entry, position, "hit").await,
            Found::Read(entry, position) => self.respond(&entry, position, outcome).await,
        }
    }

    /// Up to where a kept answer is known to be what is wanted, if it is.
    fn still_holds(&self, entry: &Entry) -> Option<Position> {
        match &self.past {
            Some(past) => entry.is_of(past.position).then_some(past.position),
            None => entry
                .holds(&self.state.0.sources.positions, self.view.workspace)
                .filter(|position| *position >= self.minimum),
        }
    }

    /// Reads an answer and keeps it, unless the database says that `kept` is what it would be.
    async fn read<T: Serialize>(
        &self,
        wanted: Wanted,
        work: impl AsyncFnOnce(&Reader<'_>) -> Result<T, Problem>,
        kept: Option<Arc<Entry>>,
    ) -> Result<Found, Problem> {
        let state = &self.state.0;
        let mut client = state.sources.pool.get().await?;
        let db = self.open(&mut client).await?;
        let snapshot = db.snapshot();
        let position = snapshot.checkpoint.position;
        if self.past.is_none()
            && let Some(entry) = kept
            && entry.verify(snapshot)
        {
            return Ok(Found::Verified(entry, position));
        }
        let etag = self.view.etag(snapshot);
        if self.knows(&etag) {
            return Ok(Found::Known(etag, position));
        }
        let answer = work(&db).await?;
        let positioned = wanted.position;
        let json = state.sources.vault.open(self.view.workspace, serialize(&answer, wanted)?).await?;
        let body = if positioned { Body::positioned(json) } else { Body::plain(json) };
        let entry = Arc::new(Entry::new(etag, body, snapshot));
        state.answers.put(self.view.clone(), entry.clone()).await;
        Ok(Found::Read(entry, position))
    }

    /// Reads without keeping the answer: for what is large, or leaves in another form than JSON.
    ///
    /// # Errors
    /// Those of `work`, and 503 when the database cannot be reached.
    pub(crate) async fn look_up<T>(
        &self,
        work: impl AsyncFnOnce(&Reader<'_>) -> Result<T, Problem>,
    ) -> Result<(T, Position), Problem> {
        let mut client = self.state.0.sources.pool.get().await?;
        let db = self.open(&mut client).await?;
        Ok((work(&db).await?, db.snapshot().checkpoint.position))
    }

    /// A transaction that sees what is wanted.
    async fn open<'c>(&self, client: &'c mut deadpool_postgres::Client) -> Result<Reader<'c>, Problem> {
        let state = &self.state.0;
        if let Some(past) = &self.past {
            let setup = state::setup(&state.options, &past.schemas);
            return Reader::open_past(client, &setup, self.view.workspace, past.position).await;
        }
        let db = Reader::open(client, &state.setup, self.view.workspace).await?;
        let position = db.snapshot().checkpoint.position;
        state.metrics.reached(position);
        if position < self.minimum {
            return Err(not_reached(self.minimum));
        }
        Ok(db)
    }

    /// Whether the caller has an answer of that tag already.
    pub(crate) fn knows(&self, etag: &str) -> bool {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let wanted = opaque(etag);
        self.if_none_match.as_deref().is_some_and(|tags| tags.split(',').any(|tag| opaque(tag) == wanted))
    }

    /// The answer to someone who has it already.
    pub(crate) fn not_modified(&self, etag: &str, position: Position) -> HttpResponse {
        self.state.0.metrics.answered(&self.route, "not_modified", self.began.elapsed());
        let mut response = HttpResponse::NotModified().finish();
        tag(&mut response, etag, position);
        response
    }

    /// Puts the headers on an answer that was made and not kept.
    pub(crate) fn finish(&self, mut response: HttpResponse, etag: &str, position: Position) -> HttpResponse {
        self.state.0.metrics.answered(&self.route, "miss", self.began.elapsed());
        tag(&mut response, etag, position);
        response
    }

    async fn respond(
        &self,
        entry: &Entry,
        position: Position,
        outcome: &'static str,
    ) -> Result<HttpResponse, Problem> {
        if self.knows(&entry.etag) {
            return Ok(self.not_modified(&entry.etag, position));
        }
        let state = &self.state.0;
        let plain = entry.body.at(position);
        let packed = match self.coding {
            Some(coding) => {
                let shown = if entry.body.shows_position() { position } else { Position::START };
                state.packed.get(&entry.etag, shown, coding, &plain).await?.map(|bytes| (coding, bytes))
            }
            None => None,
        };
        state.metrics.answered(&self.route, outcome, self.began.elapsed());
        let cache = match outcome {
            "hit" | "shared" => "hit; tier=1",
            other => other,
        };
        let mut builder = HttpResponse::Ok();
        builder.content_type("application/json").insert_header((CACHE, cache));
        let mut response = match packed {
            // Named, it is left as it is by what packs other answers.
            Some((coding, bytes)) => {
                builder.insert_header((header::CONTENT_ENCODING, coding.as_str())).body(bytes)
            }
            None => builder.body(plain),
        };
        tag(&mut response, &entry.etag, position);
        Ok(response)
    }
}

/// The headers of every successful read.
fn tag(response: &mut HttpResponse, etag: &str, position: Position) {
    position_header(response, position);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, value);
    }
    headers.insert(header::VARY, VARY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// The answer as JSON, its texts as they are in the read models.
fn serialize(answer: &impl Serialize, wanted: Wanted) -> Result<Bytes, Problem> {
    let json = match wanted.selection {
        None => serde_json::to_vec(answer),
        Some(selection) => {
            let value = serde_json::to_value(answer).map_err(Problem::internal)?;
            let value = match selection {
                Selection::Whole(fields) => fields.apply(value),
                Selection::Items(fields) => {
                    let mut list = value;
                    if let Some(items) = list.get_mut("items") {
                        *items = fields.apply(items.take());
                    }
                    list
                }
            };
            serde_json::to_vec(&value)
        }
    };
    json.map(Bytes::from).map_err(Problem::internal)
}

/// The moment that is asked for.
fn as_of(params: &mut Params, now: DateTime<Utc>) -> Result<Option<AsOf>, Problem> {
    const NAME: &str = "as_of";
    let Some(text) = params.text(NAME) else { return Ok(None) };
    if let Ok(position) = text.parse() {
        return Ok(Some(AsOf::Position(Position(position))));
    }
    let mut only = Params::of(NAME, text);
    let time = only.moment(NAME);
    if time.is_some_and(|time| time > now) {
        only.refuse(NAME, "future", "has not come yet");
    }
    only.finish()?;
    Ok(time.map(AsOf::Time))
}

/// Whether `Cache-Control: no-cache` is asked for.
fn no_cache(req: &HttpRequest) -> bool {
    let wishes = req.headers().get_all(header::CACHE_CONTROL).filter_map(|value| value.to_str().ok());
    wishes.flat_map(|value| value.split(',')).any(|wish| wish.trim().eq_ignore_ascii_case("no-cache"))
}

fn if_none_match(req: &HttpRequest) -> Option<String> {
    let tags: Vec<_> = req.headers().get_all(header::IF_NONE_MATCH).filter_map(|v| v.to_str().ok()).collect();
    (!tags.is_empty()).then(|| tags.join(","))
}

async fn wait(state: &State, minimum: Position) -> Result<(), Problem> {
    if minimum == Position::START {
        return Ok(());
    }
    let state = &state.0;
    if state.sources.positions.newest() >= minimum {
        state.metrics.waited("there");
        return Ok(());
    }
    if state.sources.positions.reached(minimum, state.options.position_wait).await {
        state.metrics.waited("arrived");
        return Ok(());
    }
    state.metrics.waited("not_reached");
    Err(not_reached(minimum))
}

fn not_reached(minimum: Position) -> Problem {
    Problem::new(
        Code::PositionNotReached,
        format!("The read models have not reached position {minimum} yet."),
    )
    .retry_after(Duration::from_secs(1))
}

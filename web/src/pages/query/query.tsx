import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { ApiError, api, authorizedFetch, failure, type Schema, unwrap } from "../../api/client";
import { useNames } from "../../api/names";
import type { Remark } from "../../editor/editor";
import { useAsOf } from "../../lib/as-of";
import { useNow } from "../../lib/clock";
import { download, save } from "../../lib/download";
import { useDraft } from "../../lib/draft";
import { ago, count, duration, plural, when } from "../../lib/format";
import { useTitle } from "../../lib/title";
import "../../styles/datasets.css";
import "../../styles/contexts.css";
import "../../styles/query.css";
import { Card, Empty, Failure, Faults, Loaded, Skeleton } from "../../ui/card";
import { History } from "../../ui/history";
import { Link } from "../../ui/link";
import { Tabs } from "../../ui/tabs";
import { NOTHING_PICKED, Pick, wanted } from "../contexts/pick";
import { parsed } from "../contexts/queries";
import { Grid, tsv } from "./grid";
import { contexts, lately, myModel, planOf, query, receipt, saved, tables } from "./queries";

const Editor = lazy(() => import("../../editor/editor"));

type Answer = Schema<"QueryAnswer">;

/** How to ask. */
const MODES = ["SQL", "Metrics", "In words"] as const;
type Mode = (typeof MODES)[number];

/** Rows that an answer has unless more are asked for, and at most. */
const ROWS = 1_000;
const MOST = 100_000;

/** Asks in SQL or in words, and shows what comes of it. */
export default function QueryPage() {
  const { id } = useParams();
  const [params] = useSearchParams();
  const [asOf] = useAsOf();
  const kept = useQuery({ ...query(id ?? "", asOf), enabled: id !== undefined });
  useTitle(kept.data?.name ?? "Query");
  if (id !== undefined && !kept.data)
    return (
      <div className="page">
        <Loaded page="Query" read={kept} skeleton={<Skeleton lines={8} height={36} />}>
          {() => null}
        </Loaded>
      </div>
    );
  const sql = kept.data?.sql ?? params.get("sql") ?? "";
  // Another query begins anew; the same one stays as it is edited.
  return <Box key={`${id} ${sql}`} begun={sql} kept={kept.data} />;
}

function Box({ begun, kept }: { begun: string; kept: Schema<"Query"> | undefined }) {
  const [params] = useSearchParams();
  const [asOf] = useAsOf();
  const client = useQueryClient();
  const [mode, setMode] = useState<Mode>(params.get("question") ? "In words" : "SQL");
  const [sql, setSql] = useDraft("query", begun, params.get("question") ? "none" : begun ? "same" : "last");
  const [question, setQuestion] = useState(params.get("question") ?? "");
  const [context, setContext] = useState(params.get("context") ?? "");
  const [picked, setPicked] = useState(NOTHING_PICKED);
  const [rows, setRows] = useState(ROWS);
  /** What the answer that is shown answers. */
  const [answered, setAnswered] = useState<Partial<Schema<"Ask">>>({});
  const known = useQuery(tables());
  const inContexts = useQuery(contexts());
  const running = useRef<AbortController>(undefined);
  const chosen = inContexts.data?.items.find((each) => each.name === context);
  const inContext = useQuery({ ...parsed(chosen?.id ?? ""), enabled: mode === "Metrics" && chosen !== undefined });
  const asks = (): Partial<Schema<"Ask">> => {
    if (mode === "In words") return { question };
    if (mode === "Metrics") return inContext.data ? wanted(context, picked, inContext.data) : {};
    return { sql, ...(context && { context }) };
  };
  const nothing = {
    SQL: !sql.trim(),
    "In words": !question.trim(),
    Metrics: !inContext.data || picked.metrics.length + picked.dimensions.length === 0,
  }[mode];

  const ask = useMutation({
    mutationFn: async (limit: number): Promise<Answer> => {
      running.current?.abort();
      const stop = new AbortController();
      running.current = stop;
      const body = asks();
      const answer = await unwrap(
        api.POST("/api/v1/queries", { body: { ...body, limit } as Schema<"Ask">, signal: stop.signal }),
      );
      // A model may write other SQL for the same words.
      setAnswered(body.question ? { sql: answer.sql } : body);
      return answer;
    },
    onSuccess: (answer) => {
      // What was written for it can be gone on with.
      if (mode !== "SQL") setSql(answer.sql);
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === "runs" });
    },
  });
  const plan = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/queries/plan", { body: asks() as Schema<"Ask"> })),
  });
  const run = (limit = ROWS) => {
    if (asOf || nothing) return;
    plan.reset();
    setRows(limit);
    ask.mutate(limit);
  };
  // What another page sends here to be asked is asked at once: it came with a press of a button.
  const asked = useRef(false);
  // Once, when the page opens.
  useEffect(() => {
    if (asked.current) return;
    asked.current = true;
    // What was written since was not sent.
    if ((params.get("run") !== null && sql === begun) || params.get("question")) run();
  }, []);
  const refused = plan.error ?? ask.error;
  const stopped = ask.error instanceof DOMException && ask.error.name === "AbortError";
  const remarks = useMemo((): Remark[] => {
    if (!(refused instanceof ApiError)) return [];
    return (refused.problem.errors ?? [])
      .filter((place) => place.line != null)
      .map((place) => ({
        line: place.line ?? 1,
        column: place.column ?? 1,
        severity: "error",
        message: place.detail,
      }));
  }, [refused]);
  const names = useMemo(
    () => ({
      tables: known.data ?? {},
      words: (chosen?.metrics ?? []).map((label) => ({ label, detail: "metric" })),
    }),
    [known.data, chosen],
  );
  return (
    <div className="page query-page">
      <h1>{kept?.name ?? "Query"}</h1>
      <div className="query-grid">
        <div className="stack">
          <Card
            title={{ SQL: "Ask in SQL", Metrics: "Ask for metrics", "In words": "Ask in words" }[mode]}
            action={
              <fieldset className="chips">
                <legend className="for-readers">How to ask</legend>
                {MODES.filter((each) => each !== "Metrics" || (inContexts.data?.items.length ?? 0) > 0).map((each) => (
                  <label key={each}>
                    <input
                      type="radio"
                      name="mode"
                      checked={mode === each}
                      onChange={() => {
                        setMode(each);
                        // What was wrong with the other way of asking is not wrong with this one.
                        if (ask.error) ask.reset();
                        plan.reset();
                        // Metrics are those of a context.
                        if (each === "Metrics" && !context) setContext(inContexts.data?.items[0]?.name ?? "");
                      }}
                    />
                    {each}
                  </label>
                ))}
              </fieldset>
            }
          >
            {mode === "Metrics" && (
              <Loaded read={inContext} skeleton={<Skeleton lines={3} height={34} />}>
                {(data) => <Pick metrics={chosen?.metrics ?? []} parsed={data} value={picked} onChange={setPicked} />}
              </Loaded>
            )}
            {mode === "SQL" && (
              <Suspense fallback={<Skeleton lines={1} height={150} />}>
                <Editor
                  language="sql"
                  label="SQL"
                  value={sql}
                  onChange={setSql}
                  onRun={() => run()}
                  remarks={remarks}
                  names={names}
                />
              </Suspense>
            )}
            {mode === "In words" && <Answerer />}
            {mode === "In words" && (
              <textarea
                className="question"
                aria-label="Question"
                rows={3}
                placeholder="Which carrier was late most often in January?"
                value={question}
                onChange={(event) => setQuestion(event.target.value)}
                onKeyDown={(event) => {
                  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
                }}
              />
            )}
            <div className="query-bar">
              <button
                type="button"
                className="button primary"
                disabled={ask.isPending || asOf !== undefined || nothing}
                onClick={() => run()}
              >
                Run <kbd>Ctrl ⏎</kbd>
              </button>
              {mode !== "In words" && (
                <button
                  type="button"
                  className="button"
                  disabled={plan.isPending || nothing}
                  onClick={() => plan.mutate()}
                >
                  Plan
                </button>
              )}
              {ask.isPending && (
                <button type="button" className="button" onClick={() => running.current?.abort()}>
                  Cancel
                </button>
              )}
              {mode !== "In words" && (
                <label>
                  Context{" "}
                  <select
                    value={context}
                    onChange={(event) => {
                      setContext(event.target.value);
                      setPicked(NOTHING_PICKED);
                    }}
                  >
                    {mode === "SQL" && <option value="">none</option>}
                    {inContexts.data?.items.map((each) => (
                      <option key={each.id} value={each.name}>
                        {each.name}
                      </option>
                    ))}
                  </select>
                </label>
              )}
              <Elapsed since={ask.isPending ? ask.submittedAt : undefined} />
              {asOf && <span className="quiet">Questions are asked in the present.</span>}
            </div>
          </Card>
          {refused && !stopped && <Refusal error={refused} />}
          {plan.data && (
            <Card title="Plan">
              <Steps plan={plan.data} shows={mode === "Metrics" || context !== ""} />
            </Card>
          )}
          {stopped && <p className="quiet">It was cancelled.</p>}
          {ask.data && (
            <Result
              answer={ask.data}
              more={ask.data.truncated && rows < MOST ? () => run(MOST) : undefined}
              asked={answered}
              sql={ask.data.sql}
              shows={mode === "Metrics"}
            />
          )}
          {!ask.data && !ask.error && !ask.isPending && !plan.data && (
            <Card title="Result">
              <Empty>
                {
                  {
                    SQL: "Write SQL over your datasets and press Ctrl-Enter.",
                    Metrics: "Choose metrics and what to break them down by. The SQL follows.",
                    "In words": "Ask as you would ask a person. The SQL is always shown.",
                  }[mode]
                }
              </Empty>
            </Card>
          )}
          {ask.isPending && !ask.data && (
            <Card title="Result">
              <Skeleton lines={8} height={26} />
            </Card>
          )}
        </div>
        <Aside kept={kept} />
      </div>
    </div>
  );
}

/** Who answers questions in words; where nobody does, how that is changed. */
function Answerer() {
  const mine = useQuery(myModel());
  if (!mine.data || mine.data.own || mine.data.configured) return null;
  return (
    <p className="notice">
      No language model is configured here. Give a key of your own under <Link to="/settings/model">Settings</Link>, or
      have whoever runs Weir <a href="/docs/guide/queries">configure one</a>.
    </p>
  );
}

/** What the engine would do, and over what. */
function Steps({ plan, shows }: { plan: Schema<"QueryPlan">; shows: boolean }) {
  return (
    <>
      {shows && <pre className="sql">{plan.sql}</pre>}
      <p className="quiet">
        {plan.datasets.length === 0 ? "It reads no dataset. " : "It would read "}
        {plan.datasets.map((each) => (
          <Link key={`${each.id} ${each.version}`} to={`/datasets/${each.id}?tab=versions`}>
            {each.name}@{each.version}{" "}
          </Link>
        ))}
        and give {plural(plan.columns.length, "column")}: {plan.columns.map((each) => each.name).join(", ")}.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what can be scrolled has to be reached by keys */}
      <section className="plan" tabIndex={0} aria-label="Steps of the plan">
        <pre>{plan.plan}</pre>
      </section>
    </>
  );
}

/** The plan of SQL that was run. */
function PlanOf({ sql }: { sql: string }) {
  const read = useQuery(planOf(sql));
  return <Loaded read={read}>{(data) => <Steps plan={data} shows={false} />}</Loaded>;
}

function Elapsed({ since }: { since: number | undefined }) {
  const [now, setNow] = useState(0);
  useEffect(() => {
    if (since === undefined) return;
    const timer = setInterval(() => setNow(Date.now()), 100);
    return () => clearInterval(timer);
  }, [since]);
  return (
    <output className="quiet" aria-live="off">
      {since !== undefined && now > since ? duration(now - since) : ""}
    </output>
  );
}

function Refusal({ error }: { error: unknown }) {
  const problem = error instanceof ApiError ? error.problem : undefined;
  return (
    <div>
      <Faults error={error} />
      {problem?.code.startsWith("model_not") && (
        <p>
          Give your own key under <Link to="/settings/model">Settings</Link>, or ask in SQL.
        </p>
      )}
      {problem?.sql && <pre className="sql">{problem.sql}</pre>}
    </div>
  );
}

const FORMS = [
  ["CSV", "text/csv", "csv"],
  ["Parquet", "application/vnd.apache.parquet", "parquet"],
  ["Arrow", "application/vnd.apache.arrow.stream", "arrows"],
] as const;

/** Saves an answer as a file, asked again for all rows where it was cut off. Gives the run if that was cut off too. */
async function saveAll(answer: Answer, asked: Partial<Schema<"Ask">>, [, accept, ending]: (typeof FORMS)[number]) {
  const name = `result.${ending}`;
  if (!answer.truncated || answer.row_count >= MOST) {
    await download(`/api/v1/runs/${answer.run_id}/result`, name, accept);
    return answer.truncated ? answer.run_id : undefined;
  }
  const response = await authorizedFetch(
    new Request("/api/v1/queries", {
      method: "POST",
      headers: { Accept: accept, "Content-Type": "application/json" },
      body: JSON.stringify({ ...asked, limit: MOST }),
    }),
  );
  if (!response.ok) throw await failure(response);
  save(await response.blob(), name);
  return response.headers.get("Weir-Truncated") === "true" ? answer.run_id : undefined;
}

/** What is said of an answer that a limit cut off, and of a file of it that was cut off too. */
function cutOff(rows: number, file: boolean): string {
  const first = `These are the first ${plural(rows, "row")}`;
  if (rows >= MOST) return `${first}: Weir gives no more at once, in files neither. Filter or group in SQL.`;
  if (file) return `${first}. The file has the first ${count(MOST)}: Weir gives no more at once.`;
  return `${first}. Files have all rows, up to ${count(MOST)}.`;
}

function Result({
  answer,
  asked,
  more,
  sql,
  shows,
}: {
  answer: Answer;
  /** The question, to be asked again for more rows. */
  asked: Partial<Schema<"Ask">>;
  more: (() => void) | undefined;
  sql: string;
  /** Whether nobody has seen the SQL yet. */
  shows: boolean;
}) {
  const [tab, setTab] = useState<"Rows" | "How it came about" | "Plan">("Rows");
  const copy = useMutation({
    mutationFn: () => navigator.clipboard.writeText(tsv(answer.columns, answer.rows as unknown[][])),
  });
  const get = useMutation({
    mutationFn: (form: (typeof FORMS)[number]) => saveAll(answer, asked, form),
  });
  return (
    <Card
      title="Result"
      action={
        <span className="quiet" role="status">
          {plural(answer.row_count, "row")}
          {answer.truncated && " (cut off)"}, {duration(answer.elapsed_ms)},{" "}
          {answer.cache.hit ? `from the cache, tier ${answer.cache.tier}` : "computed"}
        </span>
      }
    >
      <div className="drop-buttons">
        <Link className="button" to={`/charts/new?sql=${encodeURIComponent(sql)}&run=${answer.run_id}`}>
          Chart this
        </Link>
        <Save answer={answer} />
        <button type="button" className="button" onClick={() => copy.mutate()}>
          {copy.isSuccess ? "Copied" : "Copy"}
          {answer.truncated && ` ${plural(answer.row_count, "row")}`}
        </button>
        {FORMS.map((form) => (
          <button
            key={form[0]}
            type="button"
            className="button"
            disabled={get.isPending}
            title={answer.truncated ? `All rows as ${form[0]}, up to ${count(MOST)}` : `As ${form[0]}`}
            onClick={() => get.mutate(form)}
          >
            {form[0]}
          </button>
        ))}
        {more && (
          <button type="button" className="button" onClick={more}>
            Show up to {count(MOST)} rows
          </button>
        )}
      </div>
      {answer.truncated && (
        <p className="notice" role="status">
          {cutOff(answer.row_count, get.data === answer.run_id)}
        </p>
      )}
      {(get.error ?? copy.error) && <Failure error={get.error ?? copy.error} />}
      {(answer.question || shows) && (
        <>
          {answer.explanation && <p>{answer.explanation}</p>}
          <pre className="sql">{answer.sql}</pre>
        </>
      )}
      {(answer.rules ?? [])
        .filter((rule) => rule.broken)
        .map((rule) => (
          <p key={rule.id} className="bad">
            {rule.message ?? rule.id}: {plural(rule.broken, "row")} of {count(rule.rows)}
          </p>
        ))}
      <Tabs label="Result" tabs={["Rows", "How it came about", "Plan"]} current={tab} onChange={setTab}>
        {tab === "Rows" && <Grid columns={answer.columns} rows={answer.rows as unknown[][]} cut={answer.truncated} />}
        {tab === "How it came about" && <Receipt run={answer.run_id} />}
        {tab === "Plan" && <PlanOf sql={answer.sql} />}
      </Tabs>
    </Card>
  );
}

function Receipt({ run }: { run: string }) {
  const read = useQuery(receipt(run));
  const name = useNames();
  return (
    <Loaded read={read}>
      {(data) => (
        <dl className="receipt">
          <dt>Asked by</dt>
          <dd>
            {name(data.user_id)}, {when(data.at)}
          </dd>
          <dt>Datasets</dt>
          <dd>
            {data.datasets.length === 0 && "none"}
            {data.datasets.map((each) => (
              <Link key={each.id} to={`/datasets/${each.id}?tab=versions`}>
                {each.name}@{each.version}{" "}
              </Link>
            ))}
          </dd>
          <dt>Engine</dt>
          <dd>{data.engine}</dd>
          <dt>Time</dt>
          <dd>
            {duration(data.elapsed_ms)}
            {data.stages && <Stages of={data.stages} />}
          </dd>
          <dt>Cache</dt>
          <dd>{data.cache.hit ? `tier ${data.cache.tier}` : "it was computed"}</dd>
          <dt>Result's hash</dt>
          <dd>
            <code>{data.result_hash}</code>
          </dd>
          <dt>Pattern</dt>
          <dd>
            <code>{data.pattern}</code>
          </dd>
          <dt>Position</dt>
          <dd>{count(data.position)}</dd>
        </dl>
      )}
    </Loaded>
  );
}

const STAGES: [keyof Schema<"RunStages">, string][] = [
  ["resolve_ms", "finding the tables"],
  ["wait_ms", "waiting for its turn"],
  ["plan_ms", "planning"],
  ["run_ms", "running"],
  ["store_ms", "keeping the result"],
];

/** Where the time went, each stage with a bar by its share. */
function Stages({ of }: { of: Schema<"RunStages"> }) {
  const known = STAGES.flatMap(([key, name]) => {
    const ms = of[key];
    return ms == null ? [] : [{ name, ms }];
  });
  const most = Math.max(0.001, ...known.map(({ ms }) => ms));
  return (
    <ul className="bars stages" aria-label="Time by stage">
      {known.map(({ name, ms }) => (
        <li key={name}>
          <span>{name}</span>
          <i style={{ inlineSize: `${(ms / most) * 100}%` }} aria-hidden="true" />
          <span className="number">{duration(ms)}</span>
        </li>
      ))}
    </ul>
  );
}

function Save({ answer }: { answer: Answer }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const keep = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/v1/queries/{query_id}/save", {
          params: { path: { query_id: answer.query_id } },
          body: { name },
        }),
      ),
    onSuccess: ({ query_id }) => {
      dialog.current?.close();
      navigate(`/queries/${query_id}`);
    },
  });
  return (
    <>
      <button type="button" className="button" onClick={() => dialog.current?.showModal()}>
        Save
      </button>
      <dialog ref={dialog} className="dialog" aria-label="Save the query">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            keep.mutate();
          }}
        >
          <div className="field">
            <label htmlFor="query-name">Name of the query</label>
            <input id="query-name" required value={name} onChange={(event) => setName(event.target.value)} />
          </div>
          {keep.error && <Failure error={keep.error} />}
          <p className="drop-buttons">
            <button type="submit" className="button primary" disabled={keep.isPending}>
              Save
            </button>
            <button type="button" className="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
          </p>
        </form>
      </dialog>
    </>
  );
}

function Aside({ kept }: { kept: Schema<"Query"> | undefined }) {
  const [asOf] = useAsOf();
  const now = useNow();
  const runs = useQuery(lately(asOf));
  const named = useQuery(saved(asOf));
  return (
    <aside className="stack" aria-label="Queries of before">
      {kept && (
        <Card title="History">
          <History kind="queries" id={kept.id} />
        </Card>
      )}
      <Card title="Saved queries">
        <Loaded read={named}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>None has a name yet.</Empty>
            ) : (
              <ul className="lines">
                {items.map((each) => (
                  <li key={each.id}>
                    <Link to={`/queries/${each.id}`}>{each.name}</Link>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      <Card title="Asked lately">
        <Loaded read={runs} skeleton={<Skeleton lines={8} height={30} />}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>Nothing was asked yet.</Empty>
            ) : (
              <ol className="runs">
                {items.map((each) => (
                  <li key={each.run_id} data-failed={each.status === "failed" || undefined}>
                    <Link to={`/query?sql=${encodeURIComponent(each.sql)}`}>
                      <code title={each.sql}>{each.question ?? each.sql}</code>
                    </Link>
                    <p className="quiet">
                      <span title={when(each.at)}>{ago(each.at, now)}</span>
                      <span>{each.error ? each.error.code : plural(each.rows, "row")}</span>
                      <span>{duration(each.elapsed_ms)}</span>
                      {each.cache.hit && (
                        <span className="tag" title="Answered from the cache">
                          tier {each.cache.tier}
                        </span>
                      )}
                    </p>
                  </li>
                ))}
              </ol>
            )
          }
        </Loaded>
      </Card>
    </aside>
  );
}

import { useState } from "react";
import { useChange } from "../../api/change";
import type { Schema } from "../../api/client";
import { useNames } from "../../api/names";
import { useAsOf } from "../../lib/as-of";
import { useNow } from "../../lib/clock";
import { ago, compact, duration, plural, when } from "../../lib/format";
import { Empty, Failure } from "../../ui/card";
import { Icon } from "../../ui/icon";
import { Link } from "../../ui/link";
import { evidence } from "./evidence";

type Action = Schema<"Action">;

/** Where one does what is recommended. */
function place(action: Pick<Action, "kind" | "subject">): string {
  if (action.kind === "upload_dataset") return "/datasets";
  if (action.kind === "save_visualization") return "/charts/new";
  return action.subject?.type === "query" ? `/queries/${action.subject.id}` : `/datasets/${action.subject?.id}`;
}

/** What to do next and why, what is used most, and what is asked most. */
export function Insights({ insights }: { insights: Schema<"Insights"> }) {
  const { query_patterns: patterns, most_used_datasets: used } = insights;
  const most = Math.max(1, ...used.map((each) => each.queries));
  return (
    <>
      <Actions actions={insights.recommended_actions} dismissed={insights.dismissed_actions} />
      {used.length > 0 && (
        <>
          <h3>Most used datasets</h3>
          <ul className="bars">
            {used.slice(0, 4).map((each) => (
              <li key={each.id}>
                <Link to={`/datasets/${each.id}`}>{each.name}</Link>
                <i style={{ inlineSize: `${(each.queries / most) * 100}%` }} aria-hidden="true" />
                <span className="number">{plural(each.queries, "query", "queries")}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      {patterns.length > 0 && (
        <>
          <h3>Popular queries</h3>
          <ul className="lines">
            {patterns.slice(0, 3).map((pattern) => (
              <li key={pattern.id}>
                <Link to={`/queries/${pattern.id}`}>
                  <code title={pattern.sql}>{pattern.name ?? pattern.sql}</code>
                </Link>
                <span className="quiet">
                  {compact(pattern.runs)}×, p50 {duration(pattern.p50_ms)}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function Actions({ actions, dismissed }: { actions: Action[]; dismissed: Schema<"DismissedAction">[] }) {
  const [asOf] = useAsOf();
  const now = useNow();
  const name = useNames();
  const change = useChange<unknown, { id: string; verb: "dismiss" | "restore" }>(
    ({ id, verb }) => ({ method: "POST", address: `/api/v1/insights/${id}/${verb}` }),
    ["dashboard"],
  );
  // What this page has dismissed just now can be had back where it stood.
  const [last, setLast] = useState<Action>();
  const dismiss = (action: Action) =>
    change.mutate({ id: action.id, verb: "dismiss" }, { onSuccess: () => setLast(action) });
  const restore = (id: string) =>
    change.mutate({ id, verb: "restore" }, { onSuccess: () => setLast((was) => (was?.id === id ? undefined : was)) });
  const locked = asOf !== undefined || change.isPending;
  return (
    <>
      {change.error && <Failure error={change.error} />}
      <p role="status" className="dismissed-now">
        {last && dismissed.some((each) => each.id === last.id) && (
          <>
            <span>Dismissed: {last.title}</span>
            <button type="button" className="button small" disabled={locked} onClick={() => restore(last.id)}>
              Undo
            </button>
          </>
        )}
      </p>
      {actions.length === 0 && <Empty>Nothing needs to be done.</Empty>}
      <ul className="actions" aria-label="Recommended">
        {actions.slice(0, 3).map((action) => (
          <li key={action.id}>
            <Icon name={action.kind.startsWith("fix") ? "alert" : "bulb"} />
            <div>
              <Link to={place(action)}>{action.title}</Link>
              <details>
                <summary title="Show the evidence">{action.detail}</summary>
                <dl>
                  {evidence(action.evidence as Record<string, unknown>).map(([what, value]) => (
                    <div key={what}>
                      <dt>{what}</dt>
                      <dd>{value}</dd>
                    </div>
                  ))}
                </dl>
              </details>
            </div>
            <button
              type="button"
              className="icon-button small"
              aria-label={`Dismiss: ${action.title}`}
              title="Dismiss, for everybody here"
              disabled={locked}
              onClick={() => dismiss(action)}
            >
              <Icon name="close" size={14} />
            </button>
          </li>
        ))}
      </ul>
      {dismissed.length > 0 && (
        <details className="dismissed">
          <summary>{dismissed.length} dismissed</summary>
          <ul className="lines">
            {dismissed.map((each) => (
              <li key={each.id}>
                <span>
                  {each.title}{" "}
                  <span className="quiet" title={when(each.dismissed_at)}>
                    {name(each.dismissed_by)}, {ago(each.dismissed_at, now)}
                  </span>
                </span>
                <button
                  type="button"
                  className="button small"
                  aria-label={`Recommend again: ${each.title}`}
                  disabled={locked}
                  onClick={() => restore(each.id)}
                >
                  Recommend again
                </button>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

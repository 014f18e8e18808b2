import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { api, type Schema, unwrap } from "../../api/client";
import { faults } from "../../charts/check";
import { AGGREGATES, type Form, formOf, MARKS, specOf, titleOf } from "../../charts/form";
import { combines, type Grouped } from "../../charts/group";
import { useAsOf } from "../../lib/as-of";
import { save as saveFile } from "../../lib/download";
import { count, plural } from "../../lib/format";
import { useTitle } from "../../lib/title";
import "../../styles/charts.css";
import "../../styles/datasets.css";
import "../../styles/query.css";
import { Card, Empty, Failure, Faults, Loaded, Skeleton } from "../../ui/card";
import { Delete } from "../../ui/confirm";
import { History } from "../../ui/history";
import { useGo } from "../../ui/link";
import { Rows } from "../../ui/rows";
import { Tabs } from "../../ui/tabs";
import { dataset, firstRows } from "../datasets/queries";
import { tables } from "../query/queries";
import { chart as one, suggestions, useDrawn } from "./queries";

const Chart = lazy(() => import("../../charts/chart"));
const Editor = lazy(() => import("../../editor/editor"));

type Spec = Record<string, unknown>;

/** A chart in the making, or one that was saved. */
export default function ChartPage() {
  const { id } = useParams();
  const [params] = useSearchParams();
  const [asOf] = useAsOf();
  const saved = useQuery({ ...one(id ?? "", asOf), enabled: id !== undefined });
  useTitle(id === undefined ? "New chart" : (saved.data?.name ?? "Chart"));
  const from = params.get("dataset") ?? "";
  const table = useQuery({ ...dataset(from), enabled: id === undefined && from !== "" });
  if (id !== undefined)
    return (
      <div className="page">
        <Loaded page="Chart" read={saved} skeleton={<Skeleton lines={6} height={60} />}>
          {(chart) => <Maker key={`${chart.id} ${chart.revision}`} saved={chart} sql={chart.sql} />}
        </Loaded>
      </div>
    );
  const sql = params.get("sql") ?? (table.data ? firstRows(table.data.name).replace(/\nLIMIT 100$/, "") : "");
  return (
    <div className="page">
      {sql ? (
        <Maker key={sql} sql={sql} {...(from && { from })} />
      ) : from ? (
        <Skeleton lines={6} height={60} />
      ) : (
        <Begin />
      )}
    </div>
  );
}

/** Nothing is chosen yet: which table it is to be. */
function Begin() {
  const known = useQuery(tables());
  const go = useGo();
  return (
    <>
      <h1>New chart</h1>
      <div className="stack">
        <Card title="What shall it show?">
          <Loaded read={known}>
            {(all) =>
              Object.keys(all).length === 0 ? (
                <Empty>Upload a file first: a chart shows a dataset, or the answer to a query.</Empty>
              ) : (
                <p className="drop-buttons">
                  {Object.keys(all).map((name) => (
                    <button
                      key={name}
                      type="button"
                      className="button"
                      onClick={() =>
                        go(`/charts/new?sql=${encodeURIComponent(firstRows(name).replace(/\nLIMIT 100$/, ""))}`)
                      }
                    >
                      {name}
                    </button>
                  ))}
                </p>
              )
            }
          </Loaded>
        </Card>
      </div>
    </>
  );
}

function Maker({ saved, sql, from }: { saved?: Schema<"Visualization">; sql: string; from?: string }) {
  const [asOf] = useAsOf();
  const [text, setText] = useState("");
  const [words, setWords] = useState<string>();
  const suggested = useQuery(
    suggestions(from ? { dataset_id: from, ...(words && { text: words }) } : { sql, ...(words && { text: words }) }),
  );
  const [spec, setSpec] = useState<Spec | undefined>(saved?.spec as Spec | undefined);
  const shown = spec ?? (suggested.data?.items[0]?.spec as Spec | undefined);
  const [tab, setTab] = useState<"Chart" | "Table" | "Specification" | "History">("Chart");
  const { rows, drawn, grouped, pending, failed } = useDrawn(sql, shown);
  const columns = rows.data?.columns ?? [];
  const table = useMemo(
    () => drawn.data && { columns: drawn.data.columns, rows: drawn.data.rows as unknown[][] },
    [drawn.data],
  );
  const suggestedTitles = suggested.data?.items.map((item) => (item.spec as Spec).title) ?? [];
  const title = saved?.name ?? (typeof shown?.title === "string" ? shown.title : "New chart");
  return (
    <>
      <h1>{title}</h1>
      {saved?.description && <p className="quiet">{saved.description}</p>}
      {saved?.status === "deleted" && (
        <p className="notice" role="status">
          It is deleted. <b>Restore</b> brings it back.
        </p>
      )}
      <div className="chart-grid">
        <div className="stack">
          {!saved && (
            <Card title="Suggestions">
              <form
                className="filters"
                onSubmit={(event) => {
                  event.preventDefault();
                  setSpec(undefined);
                  setWords(text || undefined);
                }}
              >
                <input
                  type="search"
                  aria-label="The chart in words"
                  placeholder="average dep_delay by carrier"
                  value={text}
                  onChange={(event) => setText(event.target.value)}
                />
                <button type="submit" className="button">
                  Suggest
                </button>
              </form>
              <Loaded read={suggested} skeleton={<Skeleton lines={1} height={34} />}>
                {({ items }) =>
                  items.length === 0 ? (
                    <Empty>Nothing suggests itself; choose below.</Empty>
                  ) : (
                    <p className="drop-buttons">
                      {items.map((item) => (
                        <button
                          key={`${item.title} ${item.why}`}
                          type="button"
                          className="button"
                          title={item.why}
                          aria-pressed={shown === item.spec}
                          onClick={() => setSpec(item.spec as Spec)}
                        >
                          {item.title}
                        </button>
                      ))}
                    </p>
                  )
                }
              </Loaded>
            </Card>
          )}
          <Card title="Chart">
            <Tabs
              label="Ways to see it"
              tabs={saved ? ["Chart", "Table", "Specification", "History"] : ["Chart", "Table", "Specification"]}
              current={tab}
              onChange={setTab}
            >
              {tab === "Chart" && (
                <Loaded read={drawn} skeleton={<Skeleton lines={1} height={340} />}>
                  {(answer) =>
                    shown && table ? (
                      <>
                        <Extent answer={answer} spec={shown} grouped={grouped} failed={failed} saved={saved} />
                        <Suspense fallback={<Skeleton lines={1} height={340} />}>
                          <Chart spec={grouped?.spec ?? shown} table={table} label={title} />
                        </Suspense>
                      </>
                    ) : (
                      <Empty>Choose what stands where.</Empty>
                    )
                  }
                </Loaded>
              )}
              {tab === "Table" && (
                <Loaded read={drawn}>
                  {(answer) => (
                    <>
                      <p className="quiet">
                        {answer.row_count > 500
                          ? `The first 500 of ${answer.truncated ? "more than " : ""}${count(answer.row_count)} rows.`
                          : plural(answer.row_count, "row")}
                      </p>
                      <Rows
                        label={`Rows of ${title}`}
                        columns={answer.columns}
                        rows={(answer.rows as unknown[][]).slice(0, 500)}
                      />
                    </>
                  )}
                </Loaded>
              )}
              {tab === "Specification" && shown && <SpecEditor spec={shown} onChange={setSpec} />}
              {tab === "History" && saved && <History kind="visualizations" id={saved.id} />}
            </Tabs>
            {shown && tab === "Chart" && <Exports spec={grouped?.spec ?? shown} name={title} />}
          </Card>
        </div>
        <div className="stack">
          <Card title="What stands where">
            {shown ? (
              <FormFields
                form={formOf(shown)}
                columns={columns}
                onChange={(form) => setSpec(retitled(specOf(form, columns, shown), form, shown, suggestedTitles))}
              />
            ) : rows.data ? (
              <FormFields
                form={{ mark: "bar", x: "", y: "", color: "", aggregate: "" }}
                columns={columns}
                onChange={(form) => setSpec(specOf(form, columns, {}))}
              />
            ) : (
              <Skeleton lines={4} height={34} />
            )}
          </Card>
          {shown && (
            <Keep
              saved={saved}
              spec={grouped?.spec ?? shown}
              sql={sql}
              grouped={grouped?.sql}
              pending={pending}
              begun={title}
              past={asOf !== undefined}
            />
          )}
          <Card title="Its query">
            <pre className="sql">{grouped?.sql ?? sql}</pre>
          </Card>
        </div>
      </div>
    </>
  );
}

/** A specification with another form under a title that fits, unless somebody chose the one that it has. */
function retitled(spec: Spec, form: Form, before: Spec, suggested: unknown[]): Spec {
  const given = before.title !== titleOf(formOf(before)) && !suggested.includes(before.title);
  return before.title === undefined || given ? spec : { ...spec, title: titleOf(form) };
}

/** Over how many rows a chart is drawn, where that is not simply all that its query gives. */
function Extent({
  answer,
  spec,
  grouped,
  failed,
  saved,
}: {
  answer: Schema<"QueryAnswer">;
  spec: Spec;
  grouped: Grouped | undefined;
  failed: unknown;
  saved: Schema<"Visualization"> | undefined;
}) {
  if (grouped && !answer.truncated) {
    const at = answer.columns.findIndex(({ name }) => name === grouped.rows);
    const rows = (answer.rows as unknown[][]).reduce((sum, row) => sum + Number(row[at]), 0);
    return (
      <p className="quiet" role="status">
        Grouped in SQL over all {plural(rows, "row")}.
        {saved && " The saved chart is not grouped yet: save the changes to keep it so."}
      </p>
    );
  }
  if (!answer.truncated || faults(spec, answer.columns).length > 0) return null;
  const first = `the first ${plural(answer.row_count, grouped ? "group" : "row")}`;
  return (
    <>
      {failed !== undefined && failed !== null && <Failure error={failed} />}
      <p className="bad">
        {combines(spec) && !grouped
          ? `This chart is not right: it combines ${first} only, and there are more. Group them in the SQL of its query.`
          : `It draws ${first} only, and there are more. ${grouped ? "Choose something with fewer values." : "Filter or group them in the SQL of its query."}`}
      </p>
    </>
  );
}

function FormFields({
  form,
  columns,
  onChange,
}: {
  form: Form;
  columns: { name: string }[];
  onChange: (form: Form) => void;
}) {
  const fields: [keyof Form, string, readonly string[]][] = [
    ["mark", "Kind", MARKS],
    ["x", form.mark === "arc" ? "Slices" : "Along x", ["", ...columns.map(({ name }) => name)]],
    ["y", form.mark === "arc" ? "Their size" : "Along y", ["", ...columns.map(({ name }) => name)]],
    ["aggregate", "Combined by", AGGREGATES],
    ["color", "Colour", ["", ...columns.map(({ name }) => name)]],
  ];
  return (
    <div className="form">
      {fields.map(([key, label, options]) => (
        <label key={key}>
          <span>{label}</span>
          <select value={form[key]} onChange={(event) => onChange({ ...form, [key]: event.target.value })}>
            {(options.includes(form[key]) ? options : [form[key], ...options]).map((option) => (
              <option key={option} value={option}>
                {option || (key === "y" ? "number of rows" : "–")}
              </option>
            ))}
          </select>
        </label>
      ))}
    </div>
  );
}

function SpecEditor({ spec, onChange }: { spec: Spec; onChange: (spec: Spec) => void }) {
  const [text, setText] = useState(() => JSON.stringify(spec, null, 2));
  const [error, setError] = useState<string>();
  return (
    <div className="tall">
      <Suspense fallback={<Skeleton lines={1} height={380} />}>
        <Editor
          language="json"
          label="Vega-Lite specification"
          value={text}
          onChange={(next) => {
            setText(next);
            try {
              const parsed = JSON.parse(next);
              if (typeof parsed !== "object" || parsed === null) throw new Error("it is no object");
              setError(undefined);
              onChange(parsed);
            } catch (reason) {
              setError(reason instanceof Error ? reason.message : String(reason));
            }
          }}
        />
      </Suspense>
      {error && <p className="wrong">Not taken over yet: {error}</p>}
    </div>
  );
}

/** The picture as files: drawn anew from the specification, as one sees it. */
function Exports({ spec, name }: { spec: Spec; name: string }) {
  const get = useMutation({
    mutationFn: async (form: "svg" | "png") => {
      const drawn = document.querySelector<SVGSVGElement>(".chart-grid .chart svg");
      if (!drawn) throw new Error("The chart is not drawn yet.");
      const copy = drawn.cloneNode(true) as SVGSVGElement;
      copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
      const svg = new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
      if (form === "svg") return saveFile(svg, `${name}.svg`);
      const picture = new Image();
      const { width, height } = drawn.getBoundingClientRect();
      picture.src = URL.createObjectURL(svg);
      await picture.decode();
      const canvas = document.createElement("canvas");
      // Twice as fine, as most screens are.
      canvas.width = width * 2;
      canvas.height = height * 2;
      const context = canvas.getContext("2d");
      if (!context) throw new Error("This browser draws no pictures.");
      context.fillStyle = getComputedStyle(drawn.closest(".card") ?? document.body).backgroundColor;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(picture, 0, 0, canvas.width, canvas.height);
      URL.revokeObjectURL(picture.src);
      const png = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
      if (!png) throw new Error("The picture could not be made.");
      saveFile(png, `${name}.png`);
    },
  });
  return (
    <>
      <p className="drop-buttons">
        <button type="button" className="button small" onClick={() => get.mutate("png")}>
          PNG
        </button>
        <button type="button" className="button small" onClick={() => get.mutate("svg")}>
          SVG
        </button>
        <button
          type="button"
          className="button small"
          onClick={() =>
            saveFile(new Blob([JSON.stringify(spec, null, 2)], { type: "application/json" }), `${name}.vl.json`)
          }
        >
          Specification
        </button>
      </p>
      {get.error && <Failure error={get.error} />}
    </>
  );
}

function Keep({
  saved,
  spec,
  sql,
  grouped,
  pending,
  begun,
  past,
}: {
  saved: Schema<"Visualization"> | undefined;
  spec: Spec;
  sql: string;
  /** The SQL that groups its rows, which is kept in the place of its own. */
  grouped: string | undefined;
  pending: boolean;
  begun: string;
  past: boolean;
}) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const [name, setName] = useState<string>();
  const [description, setDescription] = useState(saved?.description ?? "");
  const run = params.get("run");
  const again = () =>
    client.invalidateQueries({ predicate: ({ queryKey }) => /^visualization/.test(String(queryKey[0])) });
  const keep = useMutation({
    mutationFn: async () => {
      const about = { name: name ?? begun, description: description || null, spec };
      if (saved)
        return await unwrap(
          api.PATCH("/api/v1/visualizations/{id}", {
            params: { path: { id: saved.id } },
            body: { ...about, ...(grouped && { query: { sql: grouped } }) } as Schema<"ChangeVisualization">,
          }),
        );
      const body = { ...about, ...(run && !grouped ? { run_id: run } : { query: { sql: grouped ?? sql } }) };
      return await unwrap(api.POST("/api/v1/visualizations", { body: body as Schema<"SaveVisualization"> }));
    },
    onSuccess: async ({ id }) => {
      await again();
      if (!saved) navigate(`/charts/${id}`);
    },
  });
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/visualizations/{id}", { params: { path: { id: saved?.id ?? "" } } })),
    onSuccess: again,
  });
  const restore = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/v1/visualizations/{id}/restore", {
          params: { path: { id: saved?.id ?? "" } },
          body: {} as never,
        }),
      ),
    onSuccess: again,
  });
  const failed = keep.error ?? remove.error ?? restore.error;
  return (
    <Card title={saved ? "Change it" : "Save it"}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          keep.mutate();
        }}
      >
        <div className="field">
          <label htmlFor="chart-name">Name</label>
          <input id="chart-name" required value={name ?? begun} onChange={(event) => setName(event.target.value)} />
        </div>
        <div className="field">
          <label htmlFor="chart-description">Description</label>
          <input id="chart-description" value={description} onChange={(event) => setDescription(event.target.value)} />
        </div>
        {failed && <Faults error={failed} />}
        <div className="drop-buttons">
          <button type="submit" className="button primary" disabled={past || pending || keep.isPending}>
            {saved ? "Save the changes" : "Save"}
          </button>
          {saved && saved.status !== "deleted" && (
            <Delete name={saved.name} disabled={past || remove.isPending} onYes={() => remove.mutate()}>
              <p>Nobody sees it in the list of charts any more. It can be restored on this page.</p>
            </Delete>
          )}
          {saved?.status === "deleted" && (
            <button type="button" className="button" disabled={past} onClick={() => restore.mutate()}>
              Restore
            </button>
          )}
          {keep.isSuccess && <output className="quiet">Saved.</output>}
        </div>
      </form>
    </Card>
  );
}

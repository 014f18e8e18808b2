import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { api, type Schema, unwrap } from "../../api/client";
import { useNames } from "../../api/names";
import type { Remark } from "../../editor/editor";
import { useAsOf } from "../../lib/as-of";
import { download } from "../../lib/download";
import { useDraft } from "../../lib/draft";
import { plural, when } from "../../lib/format";
import { useTitle } from "../../lib/title";
import "../../styles/contexts.css";
import "../../styles/datasets.css";
import "../../styles/query.css";
import { Card, Failure, Loaded, Skeleton } from "../../ui/card";
import { Delete } from "../../ui/confirm";
import { History } from "../../ui/history";
import { Tabs } from "../../ui/tabs";
import { tables } from "../query/queries";
import { Graph } from "./graph";
import { context, findings, type Parsed, parsed, versions } from "./queries";
import { Try } from "./try";

const Editor = lazy(() => import("../../editor/editor"));

/** Milliseconds without a key before a text is looked at. */
const PAUSE = 350;

/** The beginning of a context over the tables that there are. */
export function template(tables: string[]): string {
  const id = (name: string) =>
    name
      .toLowerCase()
      .replace(/[^a-z0-9_]+/g, "_")
      .replace(/^(\d)/, "_$1") || "data";
  const datasets = tables.map((name) => `  - id: ${id(name)}\n    name: ${name}\n    dataset_id: ${name}`);
  const first = tables[0] ? id(tables[0]) : "data";
  return `---
name: My context
version: 1.0.0
description: What these files are about, and how they belong together.
datasets:
${datasets.join("\n") || "  - id: data\n    name: Data\n    dataset_id: data"}
relationships: []
metrics:
  - id: row_count
    name: Rows
    description: How many rows there are.
    expression: COUNT(*)
    datasets: [${first}]
---

Say here what whoever asks should know.
`;
}

const TABS = ["Text", "Joins", "Try it", "Versions", "History"] as const;

/** How the address of the page names a tab. */
const inAddress = (tab: string) => tab.toLowerCase().replaceAll(" ", "-");

/** Writes a context, or shows one that was saved. */
export default function ContextPage() {
  const { id } = useParams();
  const [asOf] = useAsOf();
  const saved = useQuery({ ...context(id ?? "", asOf), enabled: id !== undefined });
  const known = useQuery({ ...tables(), enabled: id === undefined });
  useTitle(id === undefined ? "New context" : (saved.data?.name ?? "Context"));
  if (id !== undefined)
    return (
      <div className="page">
        <Loaded page="Context" read={saved} skeleton={<Skeleton lines={6} height={60} />}>
          {(data) => <Maker key={`${data.id} ${data.version}`} saved={data} begun={data.content ?? ""} />}
        </Loaded>
      </div>
    );
  return (
    <div className="page">
      <Loaded page="Context" read={known} skeleton={<Skeleton lines={6} height={60} />}>
        {(all) => <Maker begun={template(Object.keys(all))} />}
      </Loaded>
    </div>
  );
}

function Maker({ saved, begun }: { saved?: Schema<"Context">; begun: string }) {
  const [asOf] = useAsOf();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [text, setText, forget] = useDraft(`context ${saved?.id ?? ""}`, begun, saved ? "same" : "last");
  const [settled, setSettled] = useState(text);
  const [params, setParams] = useSearchParams();
  const tabs = saved ? TABS : TABS.slice(0, 1);
  const tab = tabs.find((each) => inAddress(each) === params.get("tab")) ?? "Text";
  const go = (next: string) =>
    setParams((before) => {
      before.set("tab", inAddress(next));
      return before;
    });
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  const checked = useQuery(findings(settled));
  const remarks = useMemo((): Remark[] => {
    const as = (severity: Remark["severity"]) => (each: Schema<"ContextFinding">) => ({
      line: each.line ?? 1,
      column: each.column ?? 1,
      severity,
      message: `${each.code}: ${each.detail}`,
    });
    return [...(checked.data?.errors ?? []).map(as("error")), ...(checked.data?.warnings ?? []).map(as("warning"))];
  }, [checked.data]);
  const again = () =>
    client.invalidateQueries({ predicate: ({ queryKey }) => /^contexts?$/.test(String(queryKey[0])) });
  const save = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/contexts", { body: { content: text } as Schema<"ContextBody"> })),
    onSuccess: async ({ id }) => {
      forget();
      await again();
      navigate(`/contexts/${id}`);
    },
  });
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/contexts/{id}", { params: { path: { id: saved?.id ?? "" } } })),
    onSuccess: again,
  });
  const restore = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/contexts/{id}/restore", { params: { path: { id: saved?.id ?? "" } } })),
    onSuccess: again,
  });
  const get = useMutation({
    mutationFn: (form: string) =>
      download(`/api/v1/contexts/${saved?.id}/export?format=${form}`, `${saved?.name}.${form}`),
  });
  const failed = save.error ?? remove.error ?? restore.error ?? get.error;
  return (
    <>
      <h1>{saved?.name ?? "New context"}</h1>
      {saved && (
        <p className="quiet">
          Version {saved.version}, {saved.status}. {saved.description}
        </p>
      )}
      <div className="drop-buttons">
        <button
          type="button"
          className="button primary"
          disabled={asOf !== undefined || save.isPending || checked.data?.valid === false || text === saved?.content}
          onClick={() => save.mutate()}
        >
          {saved ? "Save as a new version" : "Save"}
        </button>
        {saved &&
          ["markdown", "yaml", "osi"].map((form) => (
            <button key={form} type="button" className="button" onClick={() => get.mutate(form)}>
              {form === "osi" ? "OSI" : form}
            </button>
          ))}
        {saved &&
          (saved.deleted_at ? (
            <button type="button" className="button" disabled={asOf !== undefined} onClick={() => restore.mutate()}>
              Restore
            </button>
          ) : (
            <Delete name={saved.name} disabled={asOf !== undefined || remove.isPending} onYes={() => remove.mutate()}>
              <p>Nothing can be asked in it any more. It can be restored on this page.</p>
            </Delete>
          ))}
      </div>
      {failed && <Failure error={failed} />}
      <Tabs label="Parts of the context" tabs={tabs} current={tab} onChange={go}>
        {tab === "Text" && (
          <div className="context-grid tall">
            <Suspense fallback={<Skeleton lines={1} height={380} />}>
              <Editor
                language="markdown"
                label="The context"
                value={text}
                onChange={setText}
                remarks={remarks}
                readOnly={asOf !== undefined}
              />
            </Suspense>
            <Card title="What is found">
              <div aria-live="polite">
                {checked.error ? (
                  <Failure error={checked.error} />
                ) : !checked.data ? (
                  <Skeleton lines={3} />
                ) : remarks.length === 0 ? (
                  <p className="good">Nothing is wrong with it.</p>
                ) : (
                  <ul className="findings">
                    {[
                      ...checked.data.errors.map((each) => ({ ...each, kind: "error" })),
                      ...checked.data.warnings.map((each) => ({ ...each, kind: "warning" })),
                    ].map((each) => (
                      <li key={`${each.code} ${each.path} ${each.line}`} data-kind={each.kind}>
                        <b>{each.line != null ? `Line ${each.line}, column ${each.column ?? 1}` : each.path}</b>
                        <p>{each.detail}</p>
                        <code>{each.code}</code>
                      </li>
                    ))}
                  </ul>
                )}
              </div>
            </Card>
          </div>
        )}
        {tab === "Joins" && saved && <Taken id={saved.id}>{(data) => <Graph parsed={data} />}</Taken>}
        {tab === "Try it" && saved && (
          <Taken id={saved.id}>{(data) => <Try name={saved.name} metrics={saved.metrics} parsed={data} />}</Taken>
        )}
        {tab === "Versions" && saved && <Versions id={saved.id} open={setText} />}
        {tab === "History" && saved && <History kind="contexts" id={saved.id} />}
      </Tabs>
    </>
  );
}

function Taken({ id, children }: { id: string; children: (data: Parsed) => ReactNode }) {
  const [asOf] = useAsOf();
  const read = useQuery(parsed(id, asOf));
  return <Loaded read={read}>{children}</Loaded>;
}

function Versions({ id, open }: { id: string; open: (text: string) => void }) {
  const [asOf] = useAsOf();
  const name = useNames();
  const read = useQuery(versions(id, asOf));
  return (
    <Loaded read={read}>
      {({ items }) => (
        <ol className="history">
          {items.map((each) => (
            <li key={each.version}>
              <p>
                <b>{each.version}</b> {each.current && <span className="tag">now</span>}
                <span className="quiet">
                  {name(each.saved_by)}, {when(each.saved_at)}, {plural(each.content.split("\n").length, "line")}
                </span>
              </p>
              {!each.current && (
                <button type="button" className="button small" onClick={() => open(each.content)}>
                  Open this text
                </button>
              )}
            </li>
          ))}
        </ol>
      )}
    </Loaded>
  );
}

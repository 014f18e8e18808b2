import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useParams, useSearchParams } from "react-router";
import { api, unwrap } from "../../api/client";
import { useNames } from "../../api/names";
import { useAsOf } from "../../lib/as-of";
import { useNow } from "../../lib/clock";
import { download } from "../../lib/download";
import { ago, bytes, count, duration, plural, when } from "../../lib/format";
import { useTitle } from "../../lib/title";
import "../../styles/datasets.css";
import { Card, Empty, Failure, Loaded, Skeleton } from "../../ui/card";
import { Delete } from "../../ui/confirm";
import { History } from "../../ui/history";
import { Link } from "../../ui/link";
import { Rows } from "../../ui/rows";
import { Tabs } from "../../ui/tabs";
import { UploadList } from "../../upload/drop-zone";
import { Files } from "../../upload/files";
import { sheetRead } from "../../upload/send";
import { Columns } from "./columns";
import { ProfileTable } from "./profile";
import {
  type Dataset,
  dataset,
  dependants,
  firstRows,
  preview,
  profile,
  queryAddress,
  uses,
  versions,
} from "./queries";

const TABS = ["Preview", "Profile", "Columns", "Versions", "History", "Use"] as const;

/** One dataset: its rows, what is in them, how it came about. */
export default function DatasetPage() {
  const { id = "" } = useParams();
  const [asOf] = useAsOf();
  const read = useQuery(dataset(id, asOf));
  useTitle(read.data?.name ?? "Dataset");
  return (
    <div className="page">
      <Loaded page="Dataset" read={read} skeleton={<Skeleton lines={8} height={36} />}>
        {(data) => <Shown data={data} past={asOf !== undefined} />}
      </Loaded>
    </div>
  );
}

function Shown({ data, past }: { data: Dataset; past: boolean }) {
  const name = useNames();
  const now = useNow();
  const [params, setParams] = useSearchParams();
  const tab = TABS.find((each) => each.toLowerCase() === params.get("tab")) ?? "Preview";
  const go = (next: string) =>
    setParams((before) => {
      before.set("tab", next.toLowerCase());
      return before;
    });
  return (
    <>
      <header className="page-head">
        <h1>
          {data.name}{" "}
          {data.status === "deleted" && (
            <span className="tag" data-kind="rejected">
              deleted
            </span>
          )}{" "}
          {data.version && <span className="tag">v{data.version}</span>}
        </h1>
        <p className="quiet">
          {data.rows == null ? bytes(data.bytes) : `${count(data.rows)} × ${data.columns.length}, ${bytes(data.bytes)}`}
          , {data.format ?? "not read yet"}, by {name(data.created_by)},{" "}
          <span title={when(data.updated_at)}>changed {ago(data.updated_at, now)}</span>
        </p>
        <Actions data={data} past={past} />
      </header>
      {data.sheets.length > 1 && data.status !== "deleted" && <SheetOf data={data} />}
      {data.rejection && (
        <div className="refusal" role="alert">
          <Failure error={new Error(data.rejection.detail)} />
          <p className="places">
            {data.rejection.row != null && <b>Row {count(data.rejection.row)}</b>}{" "}
            {data.rejection.column && <code>{data.rejection.column}</code>}{" "}
            {data.rejection.found && <code>{data.rejection.found}</code>}
          </p>
        </div>
      )}
      <UploadList />
      <Tabs label="Parts of the dataset" tabs={TABS} current={tab} onChange={go}>
        {tab === "Preview" && <Preview id={data.id} name={data.name} />}
        {tab === "Profile" && <ProfileTab id={data.id} />}
        {tab === "Columns" && <Columns dataset={data} disabled={past} />}
        {tab === "Versions" && <Versions id={data.id} past={past} />}
        {tab === "History" && <History kind="datasets" id={data.id} />}
        {tab === "Use" && <Uses id={data.id} />}
      </Tabs>
    </>
  );
}

/** Which sheet of a workbook it is: the others are easily taken for a part of it. */
function SheetOf({ data }: { data: Dataset }) {
  const [asOf] = useAsOf();
  const read = useQuery(versions(data.id, asOf));
  const options = read.data?.items.find(({ current }) => current)?.options as { sheet?: unknown } | undefined;
  if (!read.data) return null;
  const at = sheetRead(data.sheets, options?.sheet);
  return (
    <p className="quiet">
      Read from the sheet <b>{data.sheets[at - 1]?.name}</b>, number {at} of {data.sheets.length} of the workbook.
      Another one can be read under <Link to="?tab=columns">Columns</Link>.
    </p>
  );
}

/** What stops working without a dataset, as far as it is seen at once. */
function Dependants({ data }: { data: Dataset }) {
  const read = useQuery(dependants(data.id, data.name));
  const { charts = [], contexts = [] } = read.data ?? {};
  const named = (all: string[]) =>
    `${all.slice(0, 5).join(", ")}${all.length > 5 ? ` and ${all.length - 5} more` : ""}`;
  return (
    <>
      <p>Queries of it fail until it is restored, which can be done on this page. Its name is free at once.</p>
      {charts.length > 0 && <p>Charts that seem to use it: {named(charts)}.</p>}
      {contexts.length > 0 && <p>Contexts that use it: {named(contexts)}.</p>}
      {read.isPending && <p className="quiet">Looking for what uses it…</p>}
    </>
  );
}

function Actions({ data, past }: { data: Dataset; past: boolean }) {
  const now = useNow();
  const client = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const dialog = useRef<HTMLDialogElement>(null);
  const gone = data.status === "deleted";
  const again = () =>
    client.invalidateQueries({ predicate: ({ queryKey }) => /^(dataset|datasets)$/.test(String(queryKey[0])) });
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/datasets/{id}", { params: { path: { id: data.id } } })),
    onSuccess: again,
  });
  const restore = useMutation({
    mutationFn: () =>
      unwrap(api.POST("/api/v1/datasets/{id}/restore", { params: { path: { id: data.id } }, body: {} as never })),
    onSuccess: again,
  });
  const fetched = useMutation({
    mutationFn: () => download(`/api/v1/datasets/${data.id}/download`, data.file_name ?? data.name),
  });
  const failed = remove.error ?? restore.error ?? fetched.error;
  return (
    <>
      {gone && (
        <p className="notice deleted" role="status">
          <span>
            Deleted {data.deleted_at && <span title={when(data.deleted_at)}>{ago(data.deleted_at, now)}</span>}. Queries
            do not find it any more, and charts of it are not drawn.
          </span>
          <button
            type="button"
            className="button"
            disabled={past || restore.isPending}
            onClick={() => restore.mutate()}
          >
            Restore
          </button>
        </p>
      )}
      <div className="drop-buttons">
        {data.rows != null && !gone && (
          <Link className="button primary" to={queryAddress(firstRows(data.name))}>
            Query it
          </Link>
        )}
        {data.rows != null && !gone && (
          <Link className="button" to={`/charts/new?dataset=${data.id}`}>
            Visualize
          </Link>
        )}
        <button type="button" className="button" disabled={past || gone} onClick={() => input.current?.click()}>
          Upload a new version
        </button>
        <Files
          ref={input}
          className="for-readers"
          tabIndex={-1}
          aria-label="File of the new version"
          into={{ dataset: data.id }}
        />
        <button type="button" className="button" disabled={fetched.isPending || gone} onClick={() => fetched.mutate()}>
          Download the file
        </button>
        <button type="button" className="button" disabled={past || gone} onClick={() => dialog.current?.showModal()}>
          Rename or describe
        </button>
        {!gone && (
          <Delete name={data.name} disabled={past || remove.isPending} onYes={() => remove.mutate()}>
            <Dependants data={data} />
          </Delete>
        )}
      </div>
      {failed && <Failure error={failed} />}
      <dialog ref={dialog} className="dialog" aria-label="Rename or describe">
        <Describe data={data} close={() => dialog.current?.close()} />
      </dialog>
    </>
  );
}

function Describe({ data, close }: { data: Dataset; close: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(data.name);
  const [description, setDescription] = useState(data.description ?? "");
  const save = useMutation({
    mutationFn: () =>
      unwrap(
        api.PATCH("/api/v1/datasets/{id}", {
          params: { path: { id: data.id } },
          body: { allow_unfit: false, name, description },
        }),
      ),
    onSuccess: async () => {
      await client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === "dataset" });
      close();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <div className="field">
        <label htmlFor="dataset-name">Name</label>
        <input id="dataset-name" required value={name} onChange={(event) => setName(event.target.value)} />
      </div>
      <div className="field">
        <label htmlFor="dataset-description">Description</label>
        <input id="dataset-description" value={description} onChange={(event) => setDescription(event.target.value)} />
      </div>
      {save.error && <Failure error={save.error} />}
      <p className="drop-buttons">
        <button type="submit" className="button primary" disabled={save.isPending}>
          Save
        </button>
        <button type="button" className="button" onClick={close}>
          Cancel
        </button>
      </p>
    </form>
  );
}

function Preview({ id, name }: { id: string; name: string }) {
  const read = useQuery(preview(id));
  return (
    <Loaded read={read} skeleton={<Skeleton lines={12} height={26} />}>
      {(data) => (
        <>
          <p className="quiet">
            The first {plural(data.rows.length, "row")} of {count(data.total_rows)}.
          </p>
          <Rows label={`First rows of ${name}`} columns={data.columns} rows={data.rows} />
        </>
      )}
    </Loaded>
  );
}

function ProfileTab({ id }: { id: string }) {
  const read = useQuery(profile(id));
  return (
    <Loaded read={read} skeleton={<Skeleton lines={10} height={40} />}>
      {(data) => <ProfileTable profile={data} />}
    </Loaded>
  );
}

function Versions({ id, past }: { id: string; past: boolean }) {
  const [asOf] = useAsOf();
  const name = useNames();
  const client = useQueryClient();
  const read = useQuery(versions(id, asOf));
  const restore = useMutation({
    mutationFn: (version: number) =>
      unwrap(api.POST("/api/v1/datasets/{id}/versions/{version}/restore", { params: { path: { id, version } } })),
    onSuccess: () => client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === "dataset" }),
  });
  return (
    <Loaded read={read}>
      {({ items }) => (
        <>
          {restore.error && <Failure error={restore.error} />}
          <ol className="history">
            {items.map((version) => (
              <li key={version.version}>
                <p>
                  <b>Version {version.version}</b> {version.current && <span className="tag">now</span>}{" "}
                  {version.status !== "ready" && (
                    <span className="tag" data-kind={version.status}>
                      {version.status}
                    </span>
                  )}
                  <span className="quiet">
                    {version.file_name}, {bytes(version.bytes)}, {plural(version.rows, "row")}, by{" "}
                    {name(version.uploaded_by)}, {when(version.uploaded_at)}
                    {version.restored_from != null && `, as version ${version.restored_from} was`}
                  </span>
                </p>
                {version.diff && (
                  <p className="change">
                    {[
                      version.diff.added?.length && `added ${version.diff.added.join(", ")}`,
                      version.diff.removed?.length && `removed ${version.diff.removed.join(", ")}`,
                      ...(version.diff.retyped ?? []).map((each) => `${each.name}: ${each.from} became ${each.to}`),
                      version.diff.rows !== 0 &&
                        `${plural(Math.abs(version.diff.rows), `${version.diff.rows > 0 ? "more" : "fewer"} row`)}`,
                    ]
                      .filter(Boolean)
                      .join("; ") || "the same columns and as many rows"}
                  </p>
                )}
                {version.rejection && <p className="bad">{version.rejection.detail}</p>}
                {!version.current && version.status === "ready" && (
                  <button
                    type="button"
                    className="button small"
                    disabled={past || restore.isPending}
                    onClick={() => restore.mutate(version.version)}
                  >
                    Go back to version {version.version}
                  </button>
                )}
              </li>
            ))}
          </ol>
        </>
      )}
    </Loaded>
  );
}

function Uses({ id }: { id: string }) {
  const [asOf] = useAsOf();
  const name = useNames();
  const now = useNow();
  const read = useQuery(uses(id, asOf));
  return (
    <Card title="Runs that used it">
      <Loaded read={read}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>No query has used it yet.</Empty>
          ) : (
            <ol className="runs">
              {items.map((run) => (
                <li key={run.run_id}>
                  <Link to={queryAddress(run.sql)}>
                    <code>{run.query_name ?? run.sql}</code>
                  </Link>
                  <p className="quiet">
                    <span>{name(run.user_id)}</span>
                    <span title={when(run.at)}>{ago(run.at, now)}</span>
                    <span>{run.error ? run.error.code : plural(run.rows, "row")}</span>
                    <span>{duration(run.elapsed_ms)}</span>
                  </p>
                </li>
              ))}
            </ol>
          )
        }
      </Loaded>
    </Card>
  );
}

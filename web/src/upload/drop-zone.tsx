import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useId, useState } from "react";
import { Link } from "react-router";
import { ApiError, api, unwrap } from "../api/client";
import { bytes, plural } from "../lib/format";
import { Failure, Faults } from "../ui/card";
import { Icon } from "../ui/icon";
import { Files } from "./files";
import { dropSettled, dropUpload, retryUpload, startUploads, type Upload, uploaded, useUploads } from "./queue";
import { LONGEST, otherName, type Received, sheetRead, tableName } from "./send";

/** Files that are dropped anywhere on the page are uploaded; what is being dragged over it is shown. */
export function useDrop(enabled: boolean): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    if (!enabled) return;
    let depth = 0;
    const holds = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => {
      if (!holds(event)) return;
      depth += 1;
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (!holds(event)) return;
      depth -= 1;
      if (depth <= 0) setOver(false);
    };
    const above = (event: DragEvent) => holds(event) && event.preventDefault();
    const drop = (event: DragEvent) => {
      if (!holds(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      startUploads(event.dataTransfer?.files ?? []);
    };
    window.addEventListener("dragenter", enter);
    window.addEventListener("dragleave", leave);
    window.addEventListener("dragover", above);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragenter", enter);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("dragover", above);
      window.removeEventListener("drop", drop);
    };
  }, [enabled]);
  return over;
}

/** A place for files: dropped, chosen, or fetched from an address. */
export function DropZone({ children, disabled = false }: { children?: ReactNode; disabled?: boolean }) {
  const over = useDrop(!disabled);
  const id = useId();
  return (
    <div className="drop" data-over={over || undefined}>
      <Icon name="upload" size={28} />
      <p>
        <b>Drop files here</b> <span className="quiet">CSV, JSON, Excel, Parquet, Arrow, also packed</span>
      </p>
      <div className="drop-buttons">
        <label className="button primary" htmlFor={id}>
          Choose files
          <Files id={id} className="for-readers" multiple disabled={disabled} />
        </label>
        {children}
      </div>
      <FromAddress disabled={disabled} />
    </div>
  );
}

/** Whether a dataset of that name is what speaks against a file. */
const taken = (error: unknown) => error instanceof ApiError && error.code === "name_taken";
const TAKEN = "There is a dataset of that name already. Choose another name.";

/** Whether it is the name that speaks against it. */
const misnamed = (error: unknown) =>
  error instanceof ApiError && (error.problem.errors ?? []).some(({ field }) => field === "name");

function FromAddress({ disabled }: { disabled: boolean }) {
  const [url, setUrl] = useState("");
  const [name, setName] = useState<string>();
  const id = useId();
  const get = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/datasets/import", { body: { url, ...(name && { name }) } })),
    onSuccess: () => {
      setUrl("");
      setName(undefined);
    },
    onError: (error) => {
      // A name is asked for where the one that follows from the address cannot be had.
      if (misnamed(error)) setName((before) => otherName(before ?? tableName(url.replace(/[?#].*$/, ""))));
    },
  });
  return (
    <form
      className="from-address"
      onSubmit={(event) => {
        event.preventDefault();
        get.mutate();
      }}
    >
      <label htmlFor={id} className="for-readers">
        Address of a file
      </label>
      <input
        id={id}
        type="url"
        required
        placeholder="https://… of a file"
        value={url}
        disabled={disabled}
        onChange={(event) => {
          setUrl(event.target.value);
          setName(undefined);
        }}
      />
      {name !== undefined && (
        <input
          aria-label="Name of the dataset"
          required
          maxLength={LONGEST}
          value={name}
          disabled={disabled}
          onChange={(event) => setName(event.target.value)}
        />
      )}
      <button type="submit" className="button" disabled={disabled || get.isPending}>
        {get.isPending ? "Fetching…" : "Import"}
      </button>
      {get.error && (taken(get.error) ? <Failure error={new Error(TAKEN)} /> : <Faults error={get.error} />)}
      {get.data && <output className="quiet">{get.data.name} is being read.</output>}
    </form>
  );
}

/** Fetches the sample files from this server and uploads them. */
export function SampleData({ disabled = false }: { disabled?: boolean }) {
  const load = useMutation({
    mutationFn: async () => {
      const list = await fetch("/samples/index.json");
      if (!list.ok) throw new Error("This server has no sample data.");
      const names = ((await list.json()) as { file: string }[]).map(({ file }) => file);
      const files = await Promise.all(
        names
          .filter((name) => !name.endsWith(".md"))
          .map(async (name) => new File([await (await fetch(`/samples/${name}`)).blob()], name)),
      );
      await uploaded(startUploads(files));
      // How they belong together can be said once they are there.
      const context = names.find((name) => name.endsWith(".context.md"));
      if (!context) return;
      const content = await (await fetch(`/samples/${context}`)).text();
      await unwrap(api.POST("/api/v1/contexts", { body: { content } }));
    },
  });
  return (
    <>
      <button
        type="button"
        className="button"
        disabled={disabled || load.isPending || load.isSuccess}
        onClick={() => load.mutate()}
      >
        Try with sample data
      </button>
      {load.error && <Failure error={load.error} />}
    </>
  );
}

const STAGES = { waiting: "waits", sending: "is sent", reading: "is read", ready: "is ready", failed: "failed" };

/** The files on their way. */
export function UploadList() {
  const uploads = useUploads();
  if (uploads.length === 0) return null;
  const settled = uploads.filter(({ stage }) => stage === "ready" || stage === "failed").length;
  return (
    <>
      {settled > 1 && (
        <p className="uploads-head">
          <button type="button" className="button small" onClick={dropSettled}>
            Dismiss all
          </button>
        </p>
      )}
      <ul className="uploads" aria-label="Uploads" aria-live="polite">
        {uploads.map((upload) => (
          <li key={upload.id} data-stage={upload.stage}>
            <div className="upload-head">
              <b title={upload.file.name}>{upload.file.name}</b>
              <span className="quiet">
                {STAGES[upload.stage]}
                {upload.stage === "sending" && ` ${bytes(upload.sent)} of`} {bytes(upload.file.size)}
              </span>
              {upload.stage === "ready" && upload.result && (
                <>
                  <Link to={`/datasets/${upload.result.id}`} title={upload.result.name}>
                    {upload.result.name}
                  </Link>
                  <span className="quiet">{plural(upload.result.rows, "row")}</span>
                  <Link to={`/query?sql=${encodeURIComponent(`SELECT * FROM "${upload.result.name}" LIMIT 100`)}`}>
                    Query it
                  </Link>
                </>
              )}
              <button
                type="button"
                className="icon-button"
                aria-label={`${upload.stage === "ready" || upload.stage === "failed" ? "Dismiss" : "Stop"} ${upload.file.name}`}
                onClick={() => dropUpload(upload)}
              >
                <Icon name="close" size={16} />
              </button>
            </div>
            {(upload.stage === "sending" || upload.stage === "reading") && (
              <progress
                aria-label={`Progress of ${upload.file.name}`}
                max={upload.file.size || 1}
                {...(upload.stage === "sending" && { value: upload.sent })}
              />
            )}
            {upload.stage === "ready" && upload.result && <Sheets upload={upload} result={upload.result} />}
            {upload.stage === "failed" && <Refusal upload={upload} />}
          </li>
        ))}
      </ul>
    </>
  );
}

/** Of a workbook one sheet is read; the others can be had too. */
function Sheets({ upload, result }: { upload: Upload; result: Received }) {
  const sheets = result.sheets ?? [];
  const [sent, setSent] = useState<string[]>([]);
  if (sheets.length < 2) return null;
  const read = sheetRead(sheets, upload.options?.sheet);
  const others = sheets.filter((_, index) => index + 1 !== read);
  return (
    <div className="upload-sheets">
      <p>
        It has {sheets.length} sheets, of which {read === 1 ? "the first" : `number ${read}`} was read:{" "}
        <b>{sheets[read - 1]?.name}</b>. Read another one as a dataset of its own:
      </p>
      <p className="drop-buttons">
        {others.slice(0, 20).map(({ name, rows }) => (
          <button
            key={name}
            type="button"
            className="button small"
            disabled={sent.includes(name)}
            title={plural(rows, "row")}
            onClick={() => {
              setSent([...sent, name]);
              const table = [...`${tableName(upload.file.name)} ${name}`].slice(0, LONGEST).join("");
              startUploads([upload.file], { name: table, options: { ...upload.options, sheet: name } });
            }}
          >
            {name}
          </button>
        ))}
        {others.length > 20 && <span className="quiet">and {others.length - 20} more, on its page under Columns</span>}
      </p>
    </div>
  );
}

/** Why a file was refused, with the cells that offend, and what can be done about it. */
function Refusal({ upload }: { upload: Upload }) {
  const error = upload.error;
  const problem = error instanceof ApiError ? error.problem : undefined;
  const codes = [problem?.code, ...(problem?.errors ?? []).map(({ code }) => code)];
  const double = taken(error) && upload.dataset === undefined;
  const unnamed = double || misnamed(error);
  return (
    <div className="refusal">
      {double ? (
        <Failure error={new Error(`There is a dataset “${calledNow(upload)}” already.`)} />
      ) : (
        <Faults error={error} row="Row" most={10} />
      )}
      {double && <AsVersion upload={upload} />}
      {unnamed && <OtherName upload={upload} />}
      <p className="drop-buttons">
        {!unnamed && (
          <button type="button" className="button small" onClick={() => retryUpload(upload)}>
            Try again
          </button>
        )}
        {codes.includes("ragged_row") && (
          <button
            type="button"
            className="button small"
            onClick={() => retryUpload(upload, { options: { ...upload.options, allow_ragged: true } })}
          >
            Read it leniently
          </button>
        )}
      </p>
    </div>
  );
}

const calledNow = (upload: Upload) => upload.name ?? tableName(upload.file.name);

/** The dataset that has the name already may be what the file is a newer version of. */
function AsVersion({ upload }: { upload: Upload }) {
  const add = useMutation({
    mutationFn: async () => {
      const name = calledNow(upload);
      const { items } = await unwrap(api.GET("/api/v1/datasets", { params: { query: { name, limit: 1 } } }));
      if (!items[0]) throw new Error("That dataset is gone: try again.");
      retryUpload(upload, { dataset: items[0].id });
    },
  });
  return (
    <>
      <p className="drop-buttons">
        <button type="button" className="button small" disabled={add.isPending} onClick={() => add.mutate()}>
          Add as a new version
        </button>
      </p>
      {add.error && <Failure error={add.error} />}
    </>
  );
}

function OtherName({ upload }: { upload: Upload }) {
  const [name, setName] = useState(() => otherName(calledNow(upload)));
  const id = useId();
  return (
    <form
      className="from-address"
      onSubmit={(event) => {
        event.preventDefault();
        retryUpload(upload, { name });
      }}
    >
      <label htmlFor={id}>Name</label>
      <input id={id} required maxLength={LONGEST} value={name} onChange={(event) => setName(event.target.value)} />
      <button type="submit" className="button small">
        Use another name
      </button>
    </form>
  );
}

import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useId } from "react";
import { ApiError, type Schema } from "../api/client";
import { useSize } from "../lib/sizes";
import { Icon } from "./icon";

type Place = Schema<"ProblemPlace">;

/** A titled part of a page. */
export function Card({
  title,
  action,
  className = "",
  part,
  pending = false,
  children,
}: {
  title: string;
  action?: ReactNode;
  className?: string;
  /** What its size is remembered by, so that it does not grow when its content comes. */
  part?: string;
  /** Whether its content is still to come. */
  pending?: boolean;
  children: ReactNode;
}) {
  const id = useId();
  const [box, size] = useSize(part, pending);
  return (
    <section className={`card ${className}`} aria-labelledby={id}>
      <header className="card-head">
        <h2 id={id}>{title}</h2>
        {action}
      </header>
      <div className="card-body" ref={box} style={size ? { blockSize: size, overflow: "hidden" } : undefined}>
        {children}
      </div>
    </section>
  );
}

/** Grey bars in the place of lines that are still to come. */
export function Skeleton({ lines = 3, height = 20 }: { lines?: number; height?: number }) {
  return (
    <div className="skeleton" aria-hidden="true">
      {Array.from({ length: lines }, (_, line) => (
        <i key={line} style={{ height }} />
      ))}
    </div>
  );
}

/** Whether an error is that of a part of the pages that could not be had, as browsers and the build's loader say it. */
export function unloaded(error: unknown): boolean {
  return error instanceof Error && /dynamically imported|importing a module|preload/i.test(error.message);
}

/** Whether an error is that of a request without an answer. Those of code that stumbles have the same type, other words. */
export function unreached(error: unknown): boolean {
  if (unloaded(error)) return true;
  return error instanceof TypeError && /fetch|network|load failed|connection/i.test(error.message);
}

/** What went wrong, in a sentence. */
export function said(error: unknown): string {
  if (!navigator.onLine || unreached(error)) return "Weir cannot be reached.";
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  // These the server says to programs: with an address of its own, and in numbers of its log.
  if (nowhere(error)) return "There is nothing at this address. It may be mistyped.";
  if (ahead(error)) return "This moment has not come yet.";
  return error.message;
}

/** Whether what was asked for lies ahead, by the server's clock or by its log. */
function ahead({ code, problem }: ApiError): boolean {
  return (
    code === "as_of_ahead" || (problem.errors ?? []).some((each) => each.field === "as_of" && each.code === "future")
  );
}

/** Whether the address that was asked for leads nowhere, whatever there is. */
function nowhere(error: unknown): boolean {
  return error instanceof ApiError && error.code === "not_found" && error.message.startsWith("There is nothing at /");
}

/** What went wrong, in a sentence, and a way to try again. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <div className="failure" role="alert">
      <Icon name="alert" />
      <p>
        {said(error)}
        {error instanceof ApiError && !nowhere(error) && <code>{error.code}</code>}
      </p>
      {retry && !nowhere(error) && (
        <button type="button" className="button small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Where something is wrong, as one says it: `Line 3, column 7`. */
function where({ line, column, field }: Place, row: string): string {
  const at = [line != null && `${row} ${line}`, column != null && `column ${column}`].filter(Boolean).join(", ");
  // A field is told where it leads somewhere, or a line is of its column: `sql` and the like are the whole text.
  return [at, field?.includes("/") ? field : at && column == null && field].filter(Boolean).join(" ");
}

/** What went wrong, and each place that is at fault, nothing of it twice. */
export function Faults({ error, row = "Line", most = 20 }: { error: unknown; row?: string; most?: number }) {
  const places = error instanceof ApiError ? (error.problem.errors ?? []) : [];
  const told = error instanceof Error ? error.message : "";
  const lines = places
    .map((place) => ({ at: where(place, row), detail: place.detail === told ? "" : place.detail }))
    .filter(({ at, detail }) => at || detail);
  return (
    <>
      <Failure error={error} />
      {lines.length > 0 && (
        <ul className="places">
          {lines.slice(0, most).map(({ at, detail }) => (
            <li key={`${at} ${detail}`}>
              {at && <b>{at}</b>} {detail}
            </li>
          ))}
          {lines.length > most && <li className="quiet">and {lines.length - most} more</li>}
        </ul>
      )}
    </>
  );
}

/** What a part says while it holds nothing, and what to do about it. */
export function Empty({ children, action }: { children: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <p>{children}</p>
      {action}
    </div>
  );
}

/** The content of a read: a skeleton before it is there, an error with a way out, and otherwise what `children` make of it. */
export function Loaded<T>({
  read,
  skeleton,
  page,
  children,
}: {
  read: Pick<UseQueryResult<T>, "data" | "error" | "refetch">;
  skeleton?: ReactNode;
  /** What the page is called, where its content brings the heading: until then screen readers have this one. */
  page?: string;
  children: (data: T) => ReactNode;
}) {
  if (read.data !== undefined) return <>{children(read.data)}</>;
  return (
    <>
      {page && <h1 className="for-readers">{page}</h1>}
      {read.error ? <Failure error={read.error} retry={() => void read.refetch()} /> : (skeleton ?? <Skeleton />)}
    </>
  );
}

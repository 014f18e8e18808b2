import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useId } from "react";
import { ApiError } from "../api/client";
import { useSize } from "../lib/sizes";
import { Icon } from "./icon";

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

/** What went wrong, in a sentence. */
export function said(error: unknown): string {
  if (!navigator.onLine || error instanceof TypeError) return "Weir cannot be reached.";
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

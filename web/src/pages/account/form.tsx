import { type FormEvent, type ReactNode, useState } from "react";
import { ApiError } from "../../api/client";
import { useTitle } from "../../lib/title";

/** One line that asks for something. */
export interface Field {
  name: string;
  label: string;
  type?: string;
  autoComplete: string;
  hint?: string;
  minLength?: number;
  optional?: boolean;
}

/** A form on a page of its own: it says at each field what is wrong there, and else below. */
export function Form({
  title,
  intro,
  fields,
  submit,
  send,
  children,
}: {
  title: string;
  intro: ReactNode;
  fields: Field[];
  submit: string;
  send: (values: Record<string, string>) => Promise<void>;
  children: ReactNode;
}) {
  useTitle(title);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const places = error instanceof ApiError ? (error.problem.errors ?? []) : [];
  const at = (name: string) => places.find((place) => place.field === name)?.detail;
  const placed = fields.some((field) => at(field.name));

  async function onSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const values = Object.fromEntries(
      [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value)]),
    );
    setBusy(true);
    setError(undefined);
    try {
      await send(values);
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  }

  return (
    <main className="door">
      <div className="door-box">
        <p className="brand big">
          <img src="/favicon.svg" alt="" width="32" height="32" />
          Weir
        </p>
        <h1>{title}</h1>
        <p className="quiet">{intro}</p>
        <form onSubmit={onSubmit}>
          {fields.map(({ name, label, type = "text", autoComplete, hint, minLength, optional }, index) => {
            const wrong = at(name);
            const note = wrong ?? hint;
            return (
              <div className="field" key={name}>
                <label htmlFor={name}>
                  {label}
                  {optional && <span className="quiet"> (optional)</span>}
                </label>
                <input
                  id={name}
                  name={name}
                  type={type}
                  autoComplete={autoComplete}
                  required={!optional}
                  minLength={minLength}
                  // biome-ignore lint/a11y/noAutofocus: the page is this form
                  autoFocus={index === 0}
                  aria-invalid={wrong ? true : undefined}
                  aria-describedby={note ? `${name}-note` : undefined}
                />
                {note && (
                  <p id={`${name}-note`} className={wrong ? "wrong" : "hint"}>
                    {note}
                  </p>
                )}
              </div>
            );
          })}
          {error !== undefined && !placed && (
            <p className="wrong" role="alert">
              {error instanceof ApiError ? error.message : "Weir cannot be reached. Try again in a moment."}
            </p>
          )}
          <button type="submit" className="button primary wide" disabled={busy}>
            {busy ? "One moment …" : submit}
          </button>
        </form>
        <p className="quiet">{children}</p>
      </div>
    </main>
  );
}

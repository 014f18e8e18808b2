import { type ReactNode, useRef, useState } from "react";

/** A button that asks before it does what it says. */
export function Confirm({
  label,
  aria,
  title,
  yes,
  small = false,
  disabled = false,
  onYes,
  children,
}: {
  label: string;
  /** What screen readers say for the button, where its label alone is not clear. */
  aria?: string;
  title: string;
  /** What the button that does it says. */
  yes: string;
  small?: boolean;
  disabled?: boolean;
  onYes: () => void;
  /** What comes of it. Made when it is asked. */
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className={small ? "button small" : "button"}
        disabled={disabled}
        aria-label={aria}
        onClick={() => {
          setOpen(true);
          dialog.current?.showModal();
        }}
      >
        {label}
      </button>
      <dialog ref={dialog} className="dialog" aria-label={title} onClose={() => setOpen(false)}>
        {open && (
          <>
            <h2>{title}</h2>
            {children}
            <p className="drop-buttons">
              <button
                type="button"
                className="button primary"
                onClick={() => {
                  dialog.current?.close();
                  onYes();
                }}
              >
                {yes}
              </button>
              <button type="button" className="button" onClick={() => dialog.current?.close()}>
                Cancel
              </button>
            </p>
          </>
        )}
      </dialog>
    </>
  );
}

/** A button that asks before it deletes something, which `children` say what comes of. */
export function Delete({
  name,
  disabled,
  onYes,
  children,
}: {
  name: string;
  disabled: boolean;
  onYes: () => void;
  children: ReactNode;
}) {
  return (
    <Confirm label="Delete" title={`Delete ${name}?`} yes="Delete" disabled={disabled} onYes={onYes}>
      {children}
    </Confirm>
  );
}

import { type ReactNode, useEffect, useId, useRef, useState } from "react";

/** A button, and below it what it opens: closed by Escape, by a press elsewhere, and by the button. */
export function Popover({
  label,
  className,
  boxClass = "",
  disabled,
  face,
  children,
}: {
  /** What the button does, for who cannot see its picture. */
  label: string;
  className: string;
  boxClass?: string;
  disabled?: boolean;
  face: ReactNode;
  /** What is open; `close` closes it. */
  children: (close: () => void) => ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open) return;
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    const key = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", key);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("keydown", key);
    };
  }, [open]);

  return (
    <div className="popover-place" ref={box}>
      <button
        type="button"
        ref={button}
        className={className}
        aria-expanded={open}
        aria-controls={id}
        aria-label={label}
        title={label}
        disabled={disabled}
        onClick={() => setOpen(!open)}
      >
        {face}
      </button>
      <div className={`popover ${boxClass}`} id={id} hidden={!open}>
        {open && children(() => setOpen(false))}
      </div>
    </div>
  );
}

import { useState } from "react";

/** A secret that is shown this once. */
export function Secret({ label, value }: { label: string; value: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <div className="secret" role="status">
      <p>
        <b>{label}</b> It is shown this once: keep it somewhere safe.
      </p>
      <p className="drop-buttons">
        <code>{value}</code>
        <button
          type="button"
          className="button small"
          onClick={() => void navigator.clipboard.writeText(value).then(() => setCopied(true))}
        >
          {copied ? "Copied" : "Copy"}
        </button>
      </p>
    </div>
  );
}

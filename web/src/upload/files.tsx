import type { InputHTMLAttributes, Ref } from "react";
import { type Into, startUploads } from "./queue";

/** The browser's dialog of files; what is chosen is sent. */
export function Files({
  into,
  ...others
}: InputHTMLAttributes<HTMLInputElement> & { into?: Into; ref?: Ref<HTMLInputElement> }) {
  return (
    <input
      {...others}
      type="file"
      onChange={(event) => {
        startUploads(event.target.files ?? [], into);
        // The same file again is a choice, too.
        event.target.value = "";
      }}
    />
  );
}

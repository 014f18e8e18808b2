import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, api, type Schema, unwrap } from "../../api/client";
import { Failure, Faults } from "../../ui/card";
import { Head } from "../../ui/table";
import type { Dataset } from "./queries";

const TYPES = ["int", "float", "bool", "date", "timestamp", "timestamptz", "text"] as const;

/** What is said of values that are nothing of the new types, without the words of the API. */
export function misfits(error: Error): string {
  return error.message.replace(
    / ?Say allow_unfit.*$/,
    " Nothing was changed. Choose another type, or let these values become missing.",
  );
}

/** The columns' types, which can be corrected: the file is read again with them. */
export function Columns({ dataset, disabled }: { dataset: Dataset; disabled: boolean }) {
  const client = useQueryClient();
  const [types, setTypes] = useState<Record<string, Schema<"ColumnType">>>({});
  const [sheet, setSheet] = useState<string>();
  const save = useMutation({
    mutationFn: (lenient: boolean) =>
      unwrap(
        api.PATCH("/api/v1/datasets/{id}", {
          params: { path: { id: dataset.id } },
          body: {
            allow_unfit: lenient,
            ...(Object.keys(types).length > 0 && { types }),
            ...(sheet && { options: { sheet } as Schema<"UploadOptions"> }),
          },
        }),
      ),
    onSuccess: () => {
      setTypes({});
      setSheet(undefined);
      return client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === "dataset" });
    },
  });
  const changed = Object.keys(types).length > 0 || sheet !== undefined;
  const unfit = save.error instanceof ApiError && save.error.code === "types_do_not_fit" ? save.error : undefined;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(false);
      }}
    >
      {dataset.sheets.length > 1 && (
        <p>
          <label>
            Sheet{" "}
            <select
              value={sheet ?? ""}
              disabled={disabled}
              onChange={(event) => setSheet(event.target.value || undefined)}
            >
              <option value="">as it is</option>
              {dataset.sheets.map((each) => (
                <option key={each.name}>{each.name}</option>
              ))}
            </select>
          </label>
        </p>
      )}
      <section className="rows" aria-label="Columns">
        <table>
          <Head columns={["Column", "Type", "Missing", { number: "Values that did not fit" }]} />
          <tbody>
            {dataset.columns.map((column) => (
              <tr key={column.name}>
                <th scope="row">{column.name}</th>
                <td>
                  <select
                    aria-label={`Type of ${column.name}`}
                    value={types[column.name] ?? column.type}
                    disabled={disabled}
                    onChange={({ target }) =>
                      setTypes((before) => {
                        const { [column.name]: _, ...rest } = before;
                        const type = target.value as Schema<"ColumnType">;
                        return type === column.type ? rest : { ...rest, [column.name]: type };
                      })
                    }
                  >
                    {!(TYPES as readonly string[]).includes(column.type) && <option>{column.type}</option>}
                    {TYPES.map((type) => (
                      <option key={type}>{type}</option>
                    ))}
                  </select>
                </td>
                <td>
                  {Object.entries(column.missing ?? {})
                    .map(([how, many]) => `${how || "empty"}: ${many}`)
                    .join(", ") || "none"}
                </td>
                <td data-number>{column.unfit ?? 0}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {save.error && (unfit ? <Failure error={new Error(misfits(unfit))} /> : <Faults error={save.error} />)}
      {unfit?.problem.errors && (
        <ul className="places">
          {unfit.problem.errors.slice(0, 20).map((place) => (
            <li key={`${place.field} ${place.line}`}>
              <code>{place.field}</code> row {place.line}: <b>{place.detail}</b>
            </li>
          ))}
        </ul>
      )}
      <p className="drop-buttons">
        <button type="submit" className="button primary" disabled={disabled || !changed || save.isPending}>
          {save.isPending ? "Reading it again…" : "Read it so"}
        </button>
        {unfit && (
          <button type="button" className="button" disabled={disabled} onClick={() => save.mutate(true)}>
            Read it so, and let these become missing
          </button>
        )}
      </p>
    </form>
  );
}

import { useQuery } from "@tanstack/react-query";
import { useId, useMemo, useState } from "react";
import type { Schema } from "../../api/client";
import { Icon } from "../../ui/icon";
import { tables } from "../query/queries";
import type { Parsed } from "./queries";

/** What is wanted of a context. */
export interface Picked {
  metrics: string[];
  dimensions: string[];
  filters: string[];
  /** Values for the parameters of filters, as they were typed. */
  params: Record<string, string>;
}

/** Nothing yet. */
export const NOTHING_PICKED: Picked = { metrics: [], dimensions: [], filters: [], params: {} };

const NUMBER = /^(int|integer|float|number|decimal)/;

/** The same as the API wants it. */
export function wanted(context: string, picked: Picked, parsed: Parsed): Partial<Schema<"Ask">> {
  const params = Object.fromEntries(
    parameters(picked, parsed)
      .filter(({ name }) => picked.params[name])
      .map(({ name, data_type }) => {
        const typed = picked.params[name] ?? "";
        return [name, NUMBER.test(data_type ?? "") && Number.isFinite(Number(typed)) ? Number(typed) : typed];
      }),
  );
  return {
    context,
    metrics: picked.metrics,
    dimensions: picked.dimensions,
    filters: picked.filters,
    // The description has no type for values of any kind.
    ...(Object.keys(params).length > 0 && { params: params as Record<string, never> }),
  };
}

/** The parameters of the filters that were picked. */
function parameters(picked: Picked, parsed: Parsed) {
  return parsed.filters.filter((each) => picked.filters.includes(each.id)).flatMap((each) => each.parameters ?? []);
}

/** A choice of a context's metrics, of what to break them down by, and of what must hold. */
export function Pick({
  metrics,
  parsed,
  value,
  onChange,
}: {
  metrics: string[];
  parsed: Parsed;
  value: Picked;
  onChange: (value: Picked) => void;
}) {
  const known = useQuery(tables());
  const columns = useMemo(
    () =>
      parsed.datasets.flatMap((each) => {
        const there = known.data?.[each.dataset_id ?? each.id] ?? [];
        const described = (each.columns ?? []).map((column) => column.name);
        return [...new Set([...described, ...there])].map((column) => `${each.id}.${column}`);
      }),
    [parsed, known.data],
  );
  const set = (part: Partial<Picked>) => onChange({ ...value, ...part });
  const about = (id: string) => parsed.metrics.find((each) => (each.id ?? each.name) === id);
  return (
    <div className="pick">
      <fieldset className="chips">
        <legend>Metrics</legend>
        {metrics.map((each) => (
          <label key={each} title={about(each)?.description ?? about(each)?.name}>
            <input
              type="checkbox"
              checked={value.metrics.includes(each)}
              onChange={(event) =>
                set({
                  metrics: event.target.checked
                    ? [...value.metrics, each]
                    : value.metrics.filter((other) => other !== each),
                })
              }
            />
            {each}
          </label>
        ))}
      </fieldset>
      <Several
        label="by"
        placeholder="dataset.column"
        values={value.dimensions}
        options={columns}
        onChange={(dimensions) => set({ dimensions })}
      />
      <Several
        label="where"
        placeholder="origin = 'JFK'"
        values={value.filters}
        options={parsed.filters.map((each) => each.id)}
        onChange={(filters) => set({ filters })}
      />
      {parameters(value, parsed).map((each) => (
        <label key={each.name} className="several">
          <span>{each.name}</span>
          <input
            placeholder={each.default === undefined ? each.data_type : String(each.default)}
            value={value.params[each.name] ?? ""}
            onChange={(event) => set({ params: { ...value.params, [each.name]: event.target.value } })}
          />
        </label>
      ))}
    </div>
  );
}

/** Some texts, each chosen from what is known or typed. */
function Several({
  label,
  placeholder,
  values,
  options,
  onChange,
}: {
  label: string;
  placeholder: string;
  values: string[];
  options: string[];
  onChange: (values: string[]) => void;
}) {
  const id = useId();
  const [text, setText] = useState("");
  const add = (entry: string) => {
    setText("");
    const next = entry.trim();
    if (next && !values.includes(next)) onChange([...values, next]);
  };
  return (
    <div className="several">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        list={`${id}-options`}
        placeholder={placeholder}
        value={text}
        // What is chosen from the list is there whole at once.
        onChange={({ target }) => (options.includes(target.value) ? add(target.value) : setText(target.value))}
        onBlur={() => add(text)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !text.trim()) return;
          event.preventDefault();
          add(text);
        }}
      />
      <datalist id={`${id}-options`}>
        {options.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      {values.map((each) => (
        <span key={each} className="picked">
          <code>{each}</code>
          <button
            type="button"
            className="icon-button small"
            aria-label={`Without ${each}`}
            onClick={() => onChange(values.filter((other) => other !== each))}
          >
            <Icon name="close" size={12} />
          </button>
        </span>
      ))}
    </div>
  );
}

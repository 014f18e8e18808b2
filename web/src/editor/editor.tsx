import { autocompletion, type Completion, closeBrackets } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { markdown } from "@codemirror/lang-markdown";
import { PostgreSQL } from "@codemirror/lang-sql";
import { yaml, yamlFrontmatter } from "@codemirror/lang-yaml";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { completions, type Names } from "./names";

/** Something to say about a place in the text. Lines and columns count from one. */
export interface Remark {
  line: number;
  column?: number;
  severity: "error" | "warning" | "info";
  message: string;
}

const FUNCTIONS: [string, string][] = [
  ["count", "(*) how many"],
  ["sum", "(x)"],
  ["avg", "(x)"],
  ["min", "(x)"],
  ["max", "(x)"],
  ["median", "(x)"],
  ["stddev", "(x)"],
  ["approx_distinct", "(x)"],
  ["approx_percentile_cont", "(x, share)"],
  ["row_number", "() over (…)"],
  ["rank", "() over (…)"],
  ["lag", "(x) over (…)"],
  ["lead", "(x) over (…)"],
  ["coalesce", "(x, …) the first that is there"],
  ["nullif", "(x, y)"],
  ["date_trunc", "('month', t)"],
  ["date_part", "('year', t)"],
  ["to_timestamp", "(x)"],
  ["now", "()"],
  ["round", "(x, digits)"],
  ["abs", "(x)"],
  ["floor", "(x)"],
  ["ceil", "(x)"],
  ["lower", "(text)"],
  ["upper", "(text)"],
  ["trim", "(text)"],
  ["substr", "(text, from, length)"],
  ["split_part", "(text, by, n)"],
  ["replace", "(text, what, with)"],
  ["regexp_replace", "(text, what, with)"],
  ["regexp_like", "(text, what)"],
  ["length", "(text)"],
  ["concat", "(x, …)"],
  ["array_agg", "(x)"],
  ["string_agg", "(x, between)"],
];

const functions: Completion[] = FUNCTIONS.map(([label, detail]) => ({ label, detail, type: "function" }));

/**
 * Puts what is typed in the place of what is selected. A browser that does so itself keeps the colours of what was there
 * in a `style` attribute, which the pages do not allow.
 */
const typedOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { from, to, empty } = view.state.selection.main;
    const text = event.data;
    if (event.inputType !== "insertText" || !text || empty || view.composing || view.state.readOnly) return false;
    event.preventDefault();
    const insert = () =>
      view.state.update(view.state.replaceSelection(text), { userEvent: "input.type", scrollIntoView: true });
    // Brackets are put around it by such handlers.
    if (!view.state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, text, insert)))
      view.dispatch(insert());
    return true;
  },
});

/** Colours from the style sheet, so that both themes are right without being told. */
const theme = EditorView.theme({
  "&": { backgroundColor: "var(--surface)", color: "var(--text)", fontSize: "13px" },
  // The ring is drawn around the whole box: the gutter would lie over it here.
  "&.cm-focused": { outline: "none" },
  ".cm-content": { fontFamily: "var(--mono)", caretColor: "var(--text)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--quiet)", border: "0" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--accent-soft)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-matchingBracket": { backgroundColor: "var(--sunken)" },
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--accent)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
  { tag: [tags.comment, tags.meta], color: "var(--quiet)" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName), tags.heading], color: "var(--accent)" },
]);

function language(name: string, names: Names | undefined): Extension {
  switch (name) {
    case "sql":
      return [
        PostgreSQL.extension,
        completions(names, functions).map((autocomplete) => PostgreSQL.language.data.of({ autocomplete })),
      ];
    case "yaml":
      return yaml();
    case "json":
      return json();
    default:
      return yamlFrontmatter({ content: markdown() });
  }
}

/** A text with its syntax shown. */
export default function Editor({
  language: name,
  value,
  onChange,
  onRun,
  remarks,
  label,
  names,
  readOnly = false,
}: {
  language: "sql" | "yaml" | "markdown" | "json";
  value: string;
  onChange: (value: string) => void;
  /** What Ctrl-Enter does. */
  onRun?: () => void;
  remarks?: readonly Remark[];
  label: string;
  names?: Names;
  readOnly?: boolean;
}) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const calls = useRef({ onChange, onRun });
  calls.current = { onChange, onRun };
  const parts = useRef({ language: new Compartment(), readOnly: new Compartment() });

  // The editor is made once and told of changes below.
  useEffect(() => {
    const parent = box.current;
    if (!parent) return;
    const nonce = document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? "";
    const made = new EditorView({
      parent,
      state: EditorState.create({
        doc: value,
        extensions: [
          EditorView.cspNonce.of(nonce),
          keymap.of([
            {
              key: "Mod-Enter",
              run: () => {
                calls.current.onRun?.();
                return calls.current.onRun !== undefined;
              },
            },
            ...defaultKeymap,
            // Tab goes on to what comes next, as everywhere; Ctrl-] indents.
            ...historyKeymap,
          ]),
          history(),
          lineNumbers(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          typedOver,
          autocompletion(),
          lintGutter(),
          EditorView.lineWrapping,
          theme,
          syntaxHighlighting(colours),
          parts.current.language.of(language(name, names)),
          parts.current.readOnly.of(EditorState.readOnly.of(readOnly)),
          EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) calls.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, []);

  useEffect(() => {
    const made = view.current;
    if (made && made.state.doc.toString() !== value)
      made.dispatch({ changes: { from: 0, to: made.state.doc.length, insert: value } });
  }, [value]);

  useEffect(() => {
    view.current?.dispatch({ effects: parts.current.language.reconfigure(language(name, names)) });
  }, [name, names]);

  useEffect(() => {
    view.current?.dispatch({ effects: parts.current.readOnly.reconfigure(EditorState.readOnly.of(readOnly)) });
  }, [readOnly]);

  useEffect(() => {
    const made = view.current;
    if (!made) return;
    const diagnostics = (remarks ?? []).map(({ line, column = 1, severity, message }): Diagnostic => {
      const at = made.state.doc.line(Math.min(Math.max(line, 1), made.state.doc.lines));
      const from = Math.min(at.from + Math.max(column - 1, 0), at.to);
      return { from, to: Math.max(from, at.to), severity, message };
    });
    made.dispatch(setDiagnostics(made.state, diagnostics));
  }, [remarks]);

  return <div className="editor" ref={box} />;
}

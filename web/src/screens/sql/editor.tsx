import { autocompletion } from "@codemirror/autocomplete";
import { PostgreSQL, sql } from "@codemirror/lang-sql";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { basicSetup } from "codemirror";
import { type RefObject, useEffect, useRef } from "react";

const theme = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", backgroundColor: "transparent", color: "var(--ink)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font-mono, monospace)", lineHeight: "1.6" },
  ".cm-content": { caretColor: "var(--ice)", padding: "10px 0" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--ink-3)", border: "none" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--ice) 5%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--ink)" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--ice) 24%, transparent)",
  },
  ".cm-cursor": { borderLeftColor: "var(--ice)" },
  ".cm-placeholder": { color: "var(--ink-3)" },
  ".cm-matchingBracket": { backgroundColor: "var(--ice-soft) !important", outline: "1px solid var(--ice-line)" },
  ".cm-tooltip": {
    backgroundColor: "var(--surface)",
    border: "1px solid var(--line-strong)",
    borderRadius: "8px",
    overflow: "hidden",
  },
  ".cm-tooltip-autocomplete ul li": { padding: "3px 8px !important", color: "var(--ink)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--ice-soft) !important",
    color: "var(--ink) !important",
  },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--ink)", borderColor: "var(--line)" },
});

const colors = syntaxHighlighting(
  HighlightStyle.define([
    { tag: tags.keyword, color: "var(--ice)", fontWeight: "500" },
    { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
    { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
    { tag: tags.comment, color: "var(--ink-3)", fontStyle: "italic" },
    { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--busy)" },
    { tag: tags.operator, color: "var(--ink-2)" },
  ]),
);

/**
 * Typing over a selection: left to itself, Chromium keeps the look of what was
 * there in a style attribute, which the page's policy refuses and logs. Brackets
 * and quotes are left to the editor, which puts them around the selection.
 */
function replaceSelection(event: InputEvent, editor: EditorView): boolean {
  const { data, inputType, isComposing } = event;
  if (inputType !== "insertText" || isComposing || !data || /^[()[\]{}'"`]$/.test(data)) return false;
  if (editor.state.selection.main.empty) return false;
  event.preventDefault();
  editor.dispatch(editor.state.replaceSelection(data), { userEvent: "input.type", scrollIntoView: true });
  return true;
}

type Props = {
  value: string;
  onChange: (text: string) => void;
  onRun: (text: string) => void;
  tables: readonly string[];
  columns: ReadonlyMap<string, readonly string[]>;
  insertRef: RefObject<(text: string) => void>;
};

/** The SQL editor: completes namespaces, tables and columns of the catalog; Ctrl-Enter runs. */
export default function Editor({ value, onChange, onRun, tables, columns, insertRef }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | undefined>(undefined);
  const language = useRef(new Compartment());
  const latest = useRef({ onChange, onRun });
  latest.current = { onChange, onRun };
  const first = useRef(value);

  useEffect(() => {
    const run = (editor: EditorView) => {
      const { from, to } = editor.state.selection.main;
      // A selection runs alone, as in every SQL tool.
      const text = from === to ? editor.state.doc.toString() : editor.state.sliceDoc(from, to);
      latest.current.onRun(text);
      return true;
    };
    const nonce = document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? "";
    const editor = new EditorView({
      parent: host.current!,
      state: EditorState.create({
        doc: first.current,
        extensions: [
          EditorView.cspNonce.of(nonce),
          Prec.highest(keymap.of([{ key: "Mod-Enter", run }])),
          basicSetup,
          autocompletion({ icons: false }),
          language.current.of(sql({ dialect: PostgreSQL })),
          theme,
          colors,
          placeholder("SELECT … FROM a table on the right. Ctrl Enter runs, a selection runs alone."),
          EditorView.domEventHandlers({ beforeinput: replaceSelection }),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": "SQL" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    insertRef.current = (text) => {
      editor.dispatch(editor.state.replaceSelection(text));
      editor.focus();
    };
    editor.focus();
    return () => editor.destroy();
  }, [insertRef]);

  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
    }
  }, [value]);

  useEffect(() => {
    const schema: Record<string, readonly string[]> = {};
    for (const table of tables) schema[table] = columns.get(table) ?? [];
    view.current?.dispatch({
      effects: language.current.reconfigure(sql({ dialect: PostgreSQL, schema, upperCaseKeywords: true })),
    });
  }, [tables, columns]);

  return <div ref={host} className="h-full" />;
}

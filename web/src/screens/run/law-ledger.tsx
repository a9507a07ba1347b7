import type { Run } from "~/gen/firn/v1/model_pb";
import { count } from "~/lake/format";
import { law, type Term } from "~/lake/law";
import { Status } from "~/ui/status";
import { Why } from "~/ui/why";

const colors: Record<string, string> = {
  read: "var(--ice)",
  live_before: "var(--heat-2)",
  live_after: "var(--good-fill)",
  superseded: "var(--silver)",
  stale: "var(--heat-2)",
  deleted: "var(--bad)",
  quarantined: "var(--warn-fill)",
  dropped: "var(--bronze)",
  filtered: "var(--ink-3)",
};

/** The conservation law as a ledger of two columns that come to the same sum. */
export function LawLedger({ run }: { run: Run }) {
  const account = law(run);
  return (
    <div data-law={account.holds ? "holds" : "broken"}>
      <div className="grid sm:grid-cols-2">
        <Column title="What there was" terms={account.left} sum={account.leftSum} />
        <Column title="What became of it" terms={account.right} sum={account.rightSum} right />
      </div>
      <div
        className={`flex items-center gap-3 border-t px-5 py-3 ${account.holds ? "border-line bg-good-soft/50" : "border-bad/40 bg-bad-soft/60"}`}
      >
        <Status tone={account.holds ? "good" : "bad"}>{account.holds ? "It adds up" : "It does not add up"}</Status>
        <span className="num text-ink-2">
          {count(account.leftSum)} {account.holds ? "=" : "≠"} {count(account.rightSum)}
          {!account.holds &&
            `: ${count(account.missing < 0n ? -account.missing : account.missing)} rows ${account.missing > 0n ? "are missing" : "too many"}`}
        </span>
        <span className="ml-auto text-xs text-ink-3">checked before the commit</span>
      </div>
    </div>
  );
}

function Column({ title, terms, sum, right = false }: { title: string; terms: Term[]; sum: bigint; right?: boolean }) {
  return (
    <div className={`flex flex-col px-5 py-4 ${right ? "border-t border-line sm:border-t-0 sm:border-l" : ""}`}>
      <h3 className="eyebrow mb-3">{title}</h3>
      <div aria-hidden className="mb-3 flex h-3 gap-px overflow-hidden rounded bg-sunken">
        {terms
          .filter((term) => term.rows > 0n)
          .map((term) => (
            <span
              key={term.key}
              style={{
                flexGrow: Math.max(Number(term.rows) / Math.max(Number(sum), 1), 0.004),
                background: colors[term.key],
              }}
            />
          ))}
      </div>
      <dl className="flex-1 space-y-1">
        {terms.map((term, index) => (
          <div key={term.key} className={`flex items-center gap-2 ${term.rows === 0n ? "text-ink-3" : ""}`}>
            <span aria-hidden className="w-3 text-center text-ink-3">
              {index === 0 ? "" : "+"}
            </span>
            <span
              aria-hidden
              className="size-2 rounded-sm"
              style={{ background: term.rows > 0n ? colors[term.key] : "var(--line)" }}
            />
            <dt className="flex-1">
              <Why text={term.why}>{term.label}</Why>
            </dt>
            <dd className="num font-medium">{count(term.rows)}</dd>
          </div>
        ))}
      </dl>
      <div className="mt-3 flex border-t-2 border-line-strong pt-2 font-semibold">
        <span className="flex-1">Sum</span>
        <span className="num">{count(sum)}</span>
      </div>
    </div>
  );
}

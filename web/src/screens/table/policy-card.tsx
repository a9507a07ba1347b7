import { useState } from "react";
import { usePolicy } from "~/api/queries";
import type { PolicyLimit, PolicySetting } from "~/gen/firn/v1/maintenance_pb";
import { cli } from "~/lake/cli";
import { bytes, count, moment } from "~/lake/format";
import { policyValue } from "~/lake/policy";
import { CopyCli } from "~/ui/copy";
import { Card } from "~/ui/layout";
import { Fault } from "~/ui/states";

/** What the compactor goes by on a table, and who says so. */
export function PolicyCard({ table }: { table: string }) {
  const policy = usePolicy(table);
  const [all, setAll] = useState(false);
  const settings = policy.data?.settings ?? [];
  const said = settings.filter((setting) => setting.origin !== "default");
  const shown = all ? settings : said;
  return (
    <Card flush title="Policy" aside={<CopyCli command={cli.policy(table)} />}>
      {policy.error && !policy.data && (
        <Fault error={policy.error} doing="read the policy" retry={() => void policy.refetch()} />
      )}
      {policy.data && said.length === 0 && !all && (
        <p className="px-4 py-3 text-ink-2">
          Nothing is set for the table, its namespace or the warehouse: the defaults hold.
        </p>
      )}
      <dl className="divide-y divide-line">
        {shown.map((setting) => (
          <Line
            key={setting.key + setting.origin}
            setting={setting}
            limit={policy.data?.limits.find((l) => l.key === setting.key && l.origin === setting.origin)}
          />
        ))}
      </dl>
      {settings.length > said.length && (
        <button
          type="button"
          className="link block w-full px-4 py-2 text-left text-xs"
          aria-expanded={all}
          onClick={() => setAll(!all)}
        >
          {all ? "Only what somebody has set" : `${settings.length - said.length} more by default`}
        </button>
      )}
    </Card>
  );
}

function Line({ setting, limit }: { setting: PolicySetting; limit?: PolicyLimit | undefined }) {
  return (
    <div className="px-4 py-2 text-xs">
      <dt className="num break-all text-ink-3">{setting.key}</dt>
      <dd className="mt-0.5 flex flex-wrap items-baseline gap-x-2">
        <span className="num font-medium break-all text-ink">{policyValue(setting.key, setting.value)}</span>
        <span className="ml-auto text-ink-3">{setting.origin}</span>
      </dd>
      {limit && (
        <dd className={limit.used >= limit.limit ? "text-warn" : "text-ink-2"}>
          {limit.key.includes("bytes") ? bytes(limit.used) : count(limit.used)} used
          {limit.frees && `, frees at ${moment(limit.frees)}`}
        </dd>
      )}
      {setting.problem && <dd className="text-bad">Cannot be read: {setting.problem}. What it governs waits.</dd>}
    </div>
  );
}

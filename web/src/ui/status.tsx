import { CircleAlert, CircleCheck, CircleDashed, CircleX, LoaderCircle, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import type { Health } from "~/gen/firn/v1/catalog_pb";
import { healthLabel, healthTone, type Tone } from "~/lake/health";
import type { Layer } from "~/lake/name";
import { Why } from "./why";

const tones: Record<Tone, { color: string; soft: string; icon: typeof CircleCheck }> = {
  good: { color: "text-good", soft: "bg-good-soft text-good", icon: CircleCheck },
  warn: { color: "text-warn", soft: "bg-warn-soft text-warn", icon: TriangleAlert },
  bad: { color: "text-bad", soft: "bg-bad-soft text-bad", icon: CircleX },
  idle: { color: "text-ink-3", soft: "bg-sunken text-ink-2", icon: CircleDashed },
  busy: { color: "text-busy", soft: "bg-busy-soft text-busy", icon: LoaderCircle },
};

/** A status: an icon and its word, never colour alone. */
export function Status({ tone, children, soft = false }: { tone: Tone; children: ReactNode; soft?: boolean }) {
  const { color, soft: filled, icon: Icon } = tones[tone];
  return (
    <span
      className={`inline-flex items-center gap-1.5 align-middle whitespace-nowrap font-medium ${
        soft ? `${filled} h-5 rounded-full px-2 text-2xs` : color
      }`}
    >
      <Icon aria-hidden className={`size-3.5 shrink-0 ${tone === "busy" ? "turn" : ""}`} />
      {children}
    </span>
  );
}

export function SeverityIcon({ severity }: { severity: "bad" | "warn" | "note" }) {
  if (severity === "bad") return <CircleX aria-label="Broken" role="img" className="size-4 shrink-0 text-bad" />;
  if (severity === "warn")
    return <TriangleAlert aria-label="Warning" role="img" className="size-4 shrink-0 text-warn" />;
  return <CircleAlert aria-label="Note" role="img" className="size-4 shrink-0 text-busy" />;
}

/** A health score with its word; hover or focus says where the points went. */
export function HealthBadge({ health, focusable = false }: { health: Health | undefined; focusable?: boolean }) {
  const score = health?.score ?? -1;
  const label = healthLabel(health);
  const badge = (
    <Status tone={healthTone(score)}>
      <span className="num">{score < 0 ? "–" : score}</span>
      <span className="font-normal text-ink-3">{label}</span>
    </Status>
  );
  if (!health || score < 0) return badge;
  const reasons = health.reasons.filter((reason) => reason.points > 0);
  return (
    <Why
      focusable={focusable}
      plain
      text={
        reasons.length === 0 ? (
          "100 points less what small files, delete files, skew and old snapshots cost. Nothing is lost here."
        ) : (
          <ul className="space-y-1">
            {reasons.map((reason) => (
              <li key={reason.code} className="flex gap-2">
                <span className="num shrink-0 font-medium">−{reason.points}</span>
                <span>{reason.message}</span>
              </li>
            ))}
          </ul>
        )
      }
    >
      {badge}
    </Why>
  );
}

const layerClass: Record<Layer, string> = {
  bronze: "bg-bronze-soft text-bronze",
  silver: "bg-silver-soft text-silver",
  gold: "bg-gold-soft text-gold",
  other: "bg-sunken text-ink-2",
};

export function LayerTag({ layer }: { layer: Layer }) {
  return (
    <span className={`inline-flex h-5 items-center rounded px-1.5 text-2xs font-semibold ${layerClass[layer]}`}>
      {layer}
    </span>
  );
}

/** The layer as a dot, where its name stands beside it anyway. */
export function LayerDot({ layer }: { layer: Layer }) {
  return (
    <span
      aria-hidden
      title={layer}
      className="size-2 shrink-0 rounded-full"
      style={{ background: layer === "other" ? "var(--line-strong)" : `var(--${layer})` }}
    />
  );
}

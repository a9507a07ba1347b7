/** Firn: snow above, packed layers below. */
export function Logo({ className = "size-6" }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className} aria-hidden="true">
      <path d="M16 3 30 28H2z" fill="#2a94be" />
      <path d="M16 3 24.400 18c-3 1.900-5.600-.8-8.400.4s-5.400 1.500-8.400-.4z" fill="#9edcf0" />
      <path d="M16 3l5 8.900c-1.900 1.500-3.300.2-5 1.300s-3.100.2-5-1.300z" fill="var(--logo-snow, #eaf8fd)" />
      <path d="M4.900 23c3.800-1.800 7.200.9 11.100.2s7.300-1.900 11.100-.2L30 28H2z" fill="#12617f" />
    </svg>
  );
}

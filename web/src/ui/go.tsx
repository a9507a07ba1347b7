import { Link } from "@tanstack/react-router";
import type { ComponentProps, ReactNode } from "react";

type Props = {
  to: string;
  params?: Record<string, string> | undefined;
  search?: Record<string, string | undefined> | undefined;
  className?: string;
  children: ReactNode;
} & Pick<ComponentProps<"a">, "aria-label" | "title" | "onClick" | "tabIndex">;

/** A link inside the page. Filters are plain text, see app/search.ts. */
export function Go({ to, params, search, ...rest }: Props) {
  return <Link to={to as never} params={params as never} search={(search ?? {}) as never} {...rest} />;
}

export function TableLink({
  name,
  tab,
  search,
  className = "link",
  children,
}: {
  name: string;
  tab?: string;
  search?: Record<string, string>;
  className?: string;
  children?: ReactNode;
}) {
  return (
    <Go
      to="/tables/$table"
      params={{ table: name }}
      search={{ ...(tab ? { tab } : {}), ...search }}
      className={className}
    >
      {children ?? name}
    </Go>
  );
}

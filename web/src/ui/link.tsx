import { useCallback } from "react";
import {
  type LinkProps,
  type NavLinkProps,
  Link as PlainLink,
  NavLink as PlainNavLink,
  type To,
  useNavigate,
} from "react-router";
import { useAsOf, withMoment } from "../lib/as-of";

/** A link within the pages. Whoever looks at the past stays there. */
export function Link({ to, ...others }: LinkProps) {
  const [asOf] = useAsOf();
  return <PlainLink to={withMoment(to, asOf)} {...others} />;
}

/** A link that says whether it leads to where one is. Whoever looks at the past stays there. */
export function NavLink({ to, ...others }: NavLinkProps) {
  const [asOf] = useAsOf();
  return <PlainNavLink to={withMoment(to, asOf)} {...others} />;
}

/** Goes to another page, as a link does. What was just made, and is not in the past, is gone to with `useNavigate`. */
export function useGo(): (to: To, state?: unknown) => void {
  const navigate = useNavigate();
  const [asOf] = useAsOf();
  return useCallback((to, state) => void navigate(withMoment(to, asOf), { state }), [navigate, asOf]);
}

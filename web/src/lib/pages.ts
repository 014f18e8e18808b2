/** The page of an address: the parts of the settings are one. */
export function pageOf(pathname: string): string {
  return pathname.startsWith("/settings/") ? "/settings" : pathname;
}

/** Line icons on a grid of 24, drawn for Weir. */
const PATHS = {
  home: "M4 11.5 12 5l8 6.500V19a1 1 0 0 1-1 1h-4.500v-5.500h-5V20H5a1 1 0 0 1-1-1z",
  data: "M4 7c0-1.700 3.600-3 8-3s8 1.300 8 3-3.600 3-8 3-8-1.300-8-3zm0 0v10c0 1.700 3.600 3 8 3s8-1.300 8-3V7M4 12c0 1.700 3.600 3 8 3s8-1.300 8-3",
  query: "m8 8-4 4 4 4M16 8l4 4-4 4M13.500 5l-3 14",
  chart: "M4 20V4M4 20h16M8.500 16v-4M13 16V7.500M17.500 16v-6",
  context:
    "M6 7.500a2.500 2.500 0 1 0 0-.010M18 7.500a2.500 2.500 0 1 0 0-.010M12 19a2.500 2.500 0 1 0 0-.010M8.300 8.800l2.500 5.700M15.700 8.800l-2.500 5.700M8.500 6.500h7",
  activity: "M3 12h4l3-7 4 14 3-7h4",
  settings: "M5 7h9M18 7h1M5 12h1M10 12h9M5 17h7M16 17h3M16 5.300v3.400M8 10.300v3.400M14 15.300v3.400",
  pulse: "M5 19V9M10 19V5M15 19v-7M20 19v-4",
  upload: "M12 15.500V4.500m0 0L7.500 9M12 4.500 16.500 9M4.500 15v3.500a1 1 0 0 0 1 1h13a1 1 0 0 0 1-1V15",
  search: "M10.500 16.500a6 6 0 1 0 0-12 6 6 0 0 0 0 12zm4.500-1.500 5 5",
  clock: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 8v4.200l2.800 2",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.600 5.600 7 7M17 17l1.400 1.400M5.600 18.400 7 17M17 7l1.400-1.400",
  moon: "M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10z",
  screen: "M4 5.500h16v10H4zM9 19.500h6M12 15.500v4",
  close: "m6 6 12 12M18 6 6 18",
  bulb: "M9.500 18h5M10.500 21h3M8.500 14.500a5.500 5.500 0 1 1 7 0c-.700.600-1 1.200-1 2h-5c0-.800-.300-1.400-1-2z",
  alert: "M12 4.500 21 19.500H3zM12 10v4.500M12 17v.010",
  out: "M14 5H6a1 1 0 0 0-1 1v12a1 1 0 0 0 1 1h8M10 12h10m0 0-3.500-3.500M20 12l-3.500 3.500",
  menu: "M4 7h16M4 12h16M4 17h16",
} as const;

/** The name of an icon. */
export type IconName = keyof typeof PATHS;

/** A picture beside words that say the same: nothing for a screen reader. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

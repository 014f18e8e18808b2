import { api } from "../api/client";
import { keepSession, useSession } from "../api/session";
import { forgetDrafts } from "../lib/draft";
import { chooseTheme, type Theme, useTheme } from "../lib/theme";
import { Icon, type IconName } from "../ui/icon";
import { Popover } from "../ui/popover";

const THEMES: [Theme, string, IconName][] = [
  ["system", "As the system", "screen"],
  ["light", "Light", "sun"],
  ["dark", "Dark", "moon"],
];

async function logOut(refreshToken: string) {
  // Whether or not the server can be told, this browser forgets.
  await api.POST("/api/v1/auth/logout", { body: { refresh_token: refreshToken } }).catch(() => undefined);
  forgetDrafts();
  keepSession(null);
}

/** Who one is, how the page looks, and the way out. */
export function Account() {
  const session = useSession();
  const theme = useTheme();
  if (!session) return null;
  const name = session.user.name || session.user.email;
  return (
    <Popover
      label={`Account of ${name}`}
      className="avatar"
      boxClass="account-box"
      face={name.slice(0, 1).toUpperCase()}
    >
      {() => (
        <>
          <p className="who">
            <b>{name}</b>
            <span>{session.user.email}</span>
          </p>
          <fieldset className="choice">
            <legend>Appearance</legend>
            {THEMES.map(([value, label, icon]) => (
              <label key={value}>
                <input type="radio" name="theme" checked={theme === value} onChange={() => chooseTheme(value)} />
                <Icon name={icon} size={16} />
                {label}
              </label>
            ))}
          </fieldset>
          <button type="button" className="row-button" onClick={() => void logOut(session.refreshToken)}>
            <Icon name="out" size={16} />
            Log out
          </button>
        </>
      )}
    </Popover>
  );
}

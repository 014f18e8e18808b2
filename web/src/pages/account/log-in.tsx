import { Link, useLocation } from "react-router";
import { api, unwrap } from "../../api/client";
import { grant } from "../../api/session";
import { Form } from "./form";

export default function LogIn() {
  const { search } = useLocation();
  return (
    <Form
      title="Log in"
      intro="Your data, your questions, and everything that happened to them."
      fields={[
        { name: "email", label: "E-mail address", type: "email", autoComplete: "username" },
        { name: "password", label: "Password", type: "password", autoComplete: "current-password" },
      ]}
      submit="Log in"
      send={async ({ email = "", password = "" }) =>
        grant(await unwrap(api.POST("/api/v1/auth/login", { body: { email, password } })))
      }
    >
      New here? <Link to={{ pathname: "/register", search }}>Make an account</Link>
    </Form>
  );
}

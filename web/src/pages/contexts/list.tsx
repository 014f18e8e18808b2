export default function Contexts() {
  return null;
}

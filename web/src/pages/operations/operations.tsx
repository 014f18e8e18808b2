export default function Operations() {
  return null;
}

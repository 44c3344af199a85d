"""docs/kubernetes.md explains exactly the words of kube/reasons.h.  usage: reason_codes_test.py"""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class ReasonCodes(unittest.TestCase):
    def test_page_and_header_have_the_same_words(self):
        header = (ROOT / "kube" / "reasons.h").read_text(encoding="utf-8")
        words = re.findall(r'"(\w+)"', header[header.index("kWaitReasons[]"):header.index("};")])
        page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
        part = page[page.index("### Why a pod waits"):page.index("### Metrics")]
        told = [word for row in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", part, re.M) for word in re.findall(r"\w+", row)]
        self.assertGreater(len(words), 20)
        self.assertEqual(sorted(told), sorted(words))


if __name__ == "__main__":
    unittest.main()

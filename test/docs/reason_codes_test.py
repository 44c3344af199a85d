"""docs/kubernetes.md explains exactly the words of kube/reasons.h, those of waiting and those of not starting.  usage: reason_codes_test.py"""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class ReasonCodes(unittest.TestCase):
    def words(self, array, begin, end):
        """(those of the header's array, those that rows of the page's part explain)."""
        header = (ROOT / "kube" / "reasons.h").read_text(encoding="utf-8")
        header = header[header.index(f"{array}[]"):]
        page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
        part = page[page.index(begin):page.index(end)]
        told = [word for row in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", part, re.M) for word in re.findall(r"\w+", row)]
        return sorted(re.findall(r'"(\w+)"', header[:header.index("};")])), sorted(told)

    def test_why_a_pod_waits(self):
        words, told = self.words("kWaitReasons", "### Why a pod waits", "### Metrics")
        self.assertGreater(len(words), 20)
        self.assertEqual(told, words)

    def test_why_a_pod_does_not_start(self):
        words, told = self.words("kStartReasons", "### When a pod does not start", "## The test cluster")
        self.assertGreater(len(words), 0)
        self.assertEqual(told, words)


if __name__ == "__main__":
    unittest.main()

// Runs a fuzz target over files and folders of files: TARGET PATH... For compilers without
// libFuzzer, and as the regression test of the corpus. Prints how many inputs ran; exit code 1 when
// there were none.
#include <stdint.h>
#include <stdio.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// A target may say at the end whether the corpus reached what it must: false fails.
extern "C" __attribute__((weak)) bool flexai_corpus_reached();

namespace {

void run(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  fprintf(stderr, "%s\n", path.c_str());  // the last line is the one that failed
  // A copy of exactly its size, so that a sanitizer sees a read beyond it.
  std::vector<uint8_t> input(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  int count = 0;
  for (int i = 1; i < argc; ++i) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(argv[i], ignored)) {
      run(argv[i]);
      ++count;
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[i], ignored)) {
      run(entry.path());
      ++count;
    }
  }
  printf("%d inputs\n", count);
  if (flexai_corpus_reached != nullptr && !flexai_corpus_reached()) return 1;
  return count == 0 ? 1 : 0;
}

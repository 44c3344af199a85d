#include "kube/kubeconfig.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "kube/yaml.h"

namespace flexai::kube {
namespace {

using base::Code;
using nlohmann::json;

base::Error wrong(const std::string& what) { return base::fail(Code::kInvalid, what); }

// One file, read: relative paths mean something only together with its folder.
struct File {
  json root;
  std::string folder;
  std::string name;
};

struct Entry {
  const json* value = nullptr;
  const File* file = nullptr;
};

base::Result<std::string> text_field(const json& object, const std::string& key) {
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return std::string();
  if (!it->is_string()) return wrong(key + " must be a text; put it in quotes");
  return it->get<std::string>();
}

base::Result<bool> flag_field(const json& object, const std::string& key) {
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return false;
  if (!it->is_boolean()) return wrong(key + " must be true or false");
  return it->get<bool>();
}

// {"NAME-data": base64, "NAME": path}
base::Result<TextSource> source_field(const Entry& entry, const std::string& key) {
  TextSource source;
  FLEXAI_TRY_ASSIGN(std::string data, text_field(*entry.value, key + "-data"));
  if (!data.empty()) {
    auto text = base64_decoded(data);
    if (!text.ok()) return wrong(key + "-data: " + text.error().message);
    source.text = std::move(*text);
    return source;
  }
  FLEXAI_TRY_ASSIGN(source.file, text_field(*entry.value, key));
  if (!source.file.empty())
    source.file = (std::filesystem::path(entry.file->folder) / source.file).string();
  return source;
}

// The object named `name` in the list `kind` ("clusters") under the key `inner` ("cluster").
base::Result<Entry> find(const std::vector<File>& files, const std::string& kind,
                         const std::string& inner, const std::string& name) {
  for (const File& file : files) {
    auto list = file.root.find(kind);
    if (list == file.root.end() || list->is_null()) continue;
    if (!list->is_array()) return wrong(kind + " must be a list");
    for (const json& one : *list) {
      if (!one.is_object()) return wrong(kind + " must hold objects");
      FLEXAI_TRY_ASSIGN(std::string found, text_field(one, "name"));
      if (found != name) continue;
      auto value = one.find(inner);
      if (value == one.end() || !value->is_object())
        return wrong(kind + " \"" + name + "\" lacks its " + inner);
      return Entry{&*value, &file};
    }
  }
  return base::fail(Code::kNotFound, kind + ": there is no \"" + name + "\"");
}

base::Status read_cluster(const Entry& cluster, Credentials& made) {
  FLEXAI_TRY_ASSIGN(std::string server, text_field(*cluster.value, "server"));
  FLEXAI_TRY_ASSIGN(made.server, parse_server(server));
  FLEXAI_TRY_ASSIGN(made.authority, source_field(cluster, "certificate-authority"));
  FLEXAI_TRY_ASSIGN(made.tls_server_name, text_field(*cluster.value, "tls-server-name"));
  FLEXAI_TRY_ASSIGN(bool insecure, flag_field(*cluster.value, "insecure-skip-tls-verify"));
  made.verify = !insecure;
  FLEXAI_TRY_ASSIGN(std::string proxy, text_field(*cluster.value, "proxy-url"));
  if (!proxy.empty())
    return base::fail(Code::kUnsupported, "proxy-url is not supported; reach the server directly");
  return {};
}

base::Status refuse_what_is_not_supported(const json& user) {
  static constexpr std::pair<const char*, const char*> kRefused[] = {
      {"exec", "exec plugins are not run; use a token, a tokenFile or a client certificate"},
      {"auth-provider", "auth providers are gone from Kubernetes; use a token or a certificate"},
      {"username", "passwords are gone from Kubernetes; use a token or a certificate"},
      {"password", "passwords are gone from Kubernetes; use a token or a certificate"},
      {"as", "impersonation is not supported; use credentials of that user"},
      {"as-uid", "impersonation is not supported; use credentials of that user"},
      {"as-groups", "impersonation is not supported; use credentials of that user"},
      {"as-user-extra", "impersonation is not supported; use credentials of that user"},
  };
  for (const auto& [key, why] : kRefused)
    if (auto it = user.find(key); it != user.end() && !it->is_null() && *it != "")
      return base::fail(Code::kUnsupported, std::string(key) + ": " + why);
  return {};
}

base::Status read_user(const Entry& user, Credentials& made) {
  FLEXAI_TRY(refuse_what_is_not_supported(*user.value));
  FLEXAI_TRY_ASSIGN(made.certificate, source_field(user, "client-certificate"));
  FLEXAI_TRY_ASSIGN(made.key, source_field(user, "client-key"));
  FLEXAI_TRY_ASSIGN(made.token.text, text_field(*user.value, "token"));
  FLEXAI_TRY_ASSIGN(made.token.file, text_field(*user.value, "tokenFile"));
  if (!made.token.file.empty()) {
    // The file is what gets rotated.
    made.token.text.clear();
    made.token.file = (std::filesystem::path(user.file->folder) / made.token.file).string();
  }
  return {};
}

base::Result<std::string> chosen_context(const std::vector<File>& files, std::string context) {
  for (size_t i = 0; i < files.size() && context.empty(); ++i) {
    FLEXAI_TRY_ASSIGN(context, text_field(files[i].root, "current-context"));
  }
  if (context.empty()) return wrong("no current-context; name a context");
  return context;
}

base::Result<Credentials> from_files(const std::vector<File>& files, const std::string& wanted) {
  FLEXAI_TRY_ASSIGN(std::string context, chosen_context(files, wanted));
  FLEXAI_TRY_ASSIGN(Entry entry, find(files, "contexts", "context", context));
  FLEXAI_TRY_ASSIGN(std::string cluster, text_field(*entry.value, "cluster"));
  FLEXAI_TRY_ASSIGN(std::string user, text_field(*entry.value, "user"));
  FLEXAI_TRY_ASSIGN(std::string ns, text_field(*entry.value, "namespace"));
  Credentials made;
  made.source = "kubeconfig " + entry.file->name + ", context " + context;
  if (!ns.empty()) made.ns = ns;
  FLEXAI_TRY_ASSIGN(Entry where, find(files, "clusters", "cluster", cluster));
  FLEXAI_TRY(read_cluster(where, made));
  if (!user.empty()) {
    FLEXAI_TRY_ASSIGN(Entry who, find(files, "users", "user", user));
    FLEXAI_TRY(read_user(who, made));
  }
  FLEXAI_TRY(check(made));
  return made;
}

base::Result<File> file_of(std::string_view text, const std::string& folder,
                           const std::string& name) {
  FLEXAI_TRY_ASSIGN(json root, json_from_yaml(text));
  if (!root.is_object()) return wrong("not a kubeconfig");
  return File{std::move(root), folder, name};
}

int digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

base::Result<std::string> base64_decoded(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  size_t digits = 0, padding = 0;
  for (char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    int digit = digit_of(c);
    if (digit < 0 || padding != 0) return wrong("not base64");
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xffffff;
    if (++digits % 4 != 1) out += static_cast<char>(bits >> (6 - 2 * ((digits - 1) % 4)) & 0xff);
  }
  if ((digits + padding) % 4 != 0 || padding > 2 || digits % 4 == 1) return wrong("not base64");
  return out;
}

base::Result<Credentials> from_kubeconfig_text(std::string_view text, const std::string& context,
                                               const std::string& folder) {
  FLEXAI_TRY_ASSIGN(File file, file_of(text, folder, "given as text"));
  std::vector<File> files;
  files.push_back(std::move(file));
  return from_files(files, context);
}

base::Result<Credentials> from_kubeconfigs(const std::vector<std::string>& paths,
                                           const std::string& context) {
  std::vector<File> files;
  for (const std::string& path : paths) {
    auto text = TextSource{"", path}.read();
    if (!text.ok() && text.error().code == Code::kNotFound && paths.size() > 1) continue;
    if (!text.ok()) return text.error();
    auto file = file_of(*text, std::filesystem::path(path).parent_path().string(), path);
    if (!file.ok()) return std::move(file).with_context(path).error();
    files.push_back(std::move(*file));
  }
  if (files.empty()) return base::fail(Code::kNotFound, "none of the kubeconfig files exists");
  return from_files(files, context).with_context("kubeconfig " + files[0].name);
}

}  // namespace flexai::kube

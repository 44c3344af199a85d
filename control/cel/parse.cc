// Recursive descent over the grammar of the CEL specification.
#include <algorithm>

#include "control/cel/expression.h"
#include "control/cel/functions.h"
#include "control/cel/token.h"

namespace flexai::control::cel {
namespace {

using base::Code;
using base::Result;
using Kind = Part::Kind;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<std::shared_ptr<const Part>> run() {
    FLEXAI_TRY_ASSIGN(Part whole, expression());
    if (now().kind != Token::Kind::kEnd) return unexpected();
    return std::make_shared<const Part>(std::move(whole));
  }

 private:
  const Token& now() const { return tokens_[at_]; }
  bool is(std::string_view sign) const {
    return now().kind == Token::Kind::kSign && now().text == sign;
  }
  bool take(std::string_view sign) {
    if (!is(sign)) return false;
    ++at_;
    return true;
  }
  base::Error unexpected() const {
    if (now().kind == Token::Kind::kEnd) return wrong("it ends too early");
    return wrong("\"" + (now().text.empty() ? "a literal" : now().text.substr(0, 40)) +
                 "\" is not expected here");
  }
  base::Error wrong(const std::string& what, Code code = Code::kInvalid) const {
    return error_at(now().position, what, code);
  }
  base::Status expect(std::string_view sign) {
    if (take(sign)) return {};
    return wrong("\"" + std::string(sign) + "\" is missing");
  }
  Part part(Kind kind) const {
    Part p;
    p.kind = kind;
    p.position = now().position;
    return p;
  }

  // Every level of the grammar that can contain itself comes through here.
  Result<Part> expression() {
    if (++depth_ > kMostDepth) return wrong("it is nested too deeply");
    FLEXAI_TRY_ASSIGN(Part condition, chain(0));
    if (is("?")) {
      Part choose = part(Kind::kChoose);
      ++at_;
      choose.children.push_back(std::move(condition));
      FLEXAI_TRY_ASSIGN(Part yes, expression());
      FLEXAI_TRY(expect(":"));
      FLEXAI_TRY_ASSIGN(Part no, expression());
      choose.children.push_back(std::move(yes));
      choose.children.push_back(std::move(no));
      condition = std::move(choose);
    }
    --depth_;
    return condition;
  }

  static const std::vector<std::vector<std::string_view>>& levels() {
    static const std::vector<std::vector<std::string_view>> kLevels = {
        {"||"}, {"&&"}, {"==", "!=", "<=", ">=", "<", ">", "in"}, {"+", "-"}, {"*", "/", "%"}};
    return kLevels;
  }

  bool operator_of(size_t level) const {
    const auto& ops = levels()[level];
    const bool can = now().kind == Token::Kind::kSign ||
                     (now().kind == Token::Kind::kName && now().text == "in");
    return can && std::find(ops.begin(), ops.end(), now().text) != ops.end();
  }

  // Operators of a level, from the left.
  Result<Part> chain(size_t level) {
    if (level == levels().size()) return unary();
    FLEXAI_TRY_ASSIGN(Part left, chain(level + 1));
    int links = 0;
    while (operator_of(level)) {
      if (++links > kMostDepth) return wrong("too many operators in a row");
      Part op = part(level == 0 ? Kind::kOr : level == 1 ? Kind::kAnd : Kind::kBinary);
      op.text = now().text;
      ++at_;
      FLEXAI_TRY_ASSIGN(Part right, chain(level + 1));
      op.children.push_back(std::move(left));
      op.children.push_back(std::move(right));
      FLEXAI_TRY(count());
      left = std::move(op);
    }
    return left;
  }

  base::Status count() {
    if (++parts_ > kMostNodes) return wrong("it has too many parts");
    return {};
  }

  Result<Part> unary() {
    std::vector<Part> signs;
    while (is("!") || is("-")) {
      if (signs.size() == 16) return wrong("too many signs in a row");
      signs.push_back(part(is("!") ? Kind::kNot : Kind::kNegate));
      ++at_;
    }
    if (now().text == "2^63") {
      if (signs.empty() || signs.back().kind != Kind::kNegate) return wrong("this is no number");
      signs.pop_back();  // as it is read it is negative already
    }
    FLEXAI_TRY_ASSIGN(Part inner, member());
    for (; !signs.empty(); signs.pop_back()) {
      signs.back().children.push_back(std::move(inner));
      Part outer = std::move(signs.back());
      inner = std::move(outer);
    }
    return inner;
  }

  Result<Part> member() {
    FLEXAI_TRY_ASSIGN(Part inner, primary());
    for (int links = 0;; ++links) {
      if (links > kMostDepth) return wrong("too many members in a row");
      FLEXAI_TRY(count());
      if (is("[")) {
        Part index = part(Kind::kIndex);
        ++at_;
        FLEXAI_TRY_ASSIGN(Part key, expression());
        FLEXAI_TRY(expect("]"));
        index.children.push_back(std::move(inner));
        index.children.push_back(std::move(key));
        inner = std::move(index);
      } else if (take(".")) {
        FLEXAI_TRY_ASSIGN(inner, selected(std::move(inner)));
      } else {
        return inner;
      }
    }
  }

  Result<Part> selected(Part of) {
    Part p = part(Kind::kField);
    if (now().kind != Token::Kind::kName) return unexpected();
    p.text = now().text;
    ++at_;
    if (!is("(")) {
      p.children.push_back(std::move(of));
      return p;
    }
    FLEXAI_TRY_ASSIGN(std::vector<Part> arguments, listed("(", ")"));
    if (of.kind == Kind::kVariable && of.text == "cel" && p.text == "bind")
      return bound(std::move(p), std::move(arguments));
    if (knows_macro(p.text, arguments.size()) && arguments[0].kind == Kind::kVariable) {
      p.kind = Kind::kMacro;
      p.name = arguments[0].text;
      p.children.push_back(std::move(of));
      for (size_t i = 1; i < arguments.size(); ++i) p.children.push_back(std::move(arguments[i]));
      return p;
    }
    p.kind = Kind::kMethod;
    p.children.push_back(std::move(of));
    for (Part& argument : arguments) p.children.push_back(std::move(argument));
    if (!knows_method(p.text, p.children.size() - 1)) return unknown(p);
    return p;
  }

  static base::Error unknown(const Part& p) {
    return error_at(p.position,
                    "function " + p.text.substr(0, 40) + " with " +
                        std::to_string(p.children.size() - (p.kind == Kind::kMethod)) +
                        " arguments is not supported here",
                    Code::kUnsupported);
  }

  Result<Part> bound(Part p, std::vector<Part> arguments) {
    if (arguments.size() != 3 || arguments[0].kind != Kind::kVariable)
      return error_at(p.position, "cel.bind takes a name and two expressions", Code::kInvalid);
    p.kind = Kind::kBind;
    p.text = arguments[0].text;
    p.children.push_back(std::move(arguments[1]));
    p.children.push_back(std::move(arguments[2]));
    return p;
  }

  Result<std::vector<Part>> listed(std::string_view open, std::string_view close) {
    std::vector<Part> items;
    FLEXAI_TRY(expect(open));
    while (!take(close)) {
      if (!items.empty()) {
        FLEXAI_TRY(expect(","));
        if (close != ")" && take(close)) break;
      }
      FLEXAI_TRY_ASSIGN(Part item, expression());
      items.push_back(std::move(item));
      FLEXAI_TRY(count());
    }
    return items;
  }

  Result<Part> primary() {
    if (++depth_ > kMostDepth) return wrong("it is nested too deeply");
    FLEXAI_TRY_ASSIGN(Part p, primary_inside());
    --depth_;
    return p;
  }

  Result<Part> primary_inside() {
    Part p = part(Kind::kLiteral);
    if (now().kind == Token::Kind::kLiteral) {
      p.literal = now().literal;
      ++at_;
      return p;
    }
    if (take("(")) {
      FLEXAI_TRY_ASSIGN(Part inner, expression());
      FLEXAI_TRY(expect(")"));
      return inner;
    }
    if (is("[")) {
      p.kind = Kind::kList;
      FLEXAI_TRY_ASSIGN(p.children, listed("[", "]"));
      return p;
    }
    if (is("{")) return map(std::move(p));
    take(".");
    if (now().kind != Token::Kind::kName || now().text == "in") return unexpected();
    return named(std::move(p));
  }

  Result<Part> named(Part p) {
    p.text = now().text;
    ++at_;
    if (!is("(")) {
      if (is("{")) return wrong("messages are not supported here", Code::kUnsupported);
      p.kind = Kind::kVariable;
      return p;
    }
    FLEXAI_TRY_ASSIGN(p.children, listed("(", ")"));
    p.kind = Kind::kCall;
    if (p.text == "has") {
      if (p.children.size() != 1 || p.children[0].kind != Kind::kField)
        return error_at(p.position, "has() takes a field", Code::kInvalid);
      Part field = std::move(p.children[0]);
      field.kind = Kind::kHas;
      return field;
    }
    if (!knows_call(p.text, p.children.size())) return unknown(p);
    return p;
  }

  Result<Part> map(Part p) {
    p.kind = Kind::kMap;
    ++at_;
    while (!take("}")) {
      if (!p.children.empty()) {
        FLEXAI_TRY(expect(","));
        if (take("}")) break;
      }
      FLEXAI_TRY_ASSIGN(Part key, expression());
      FLEXAI_TRY(expect(":"));
      FLEXAI_TRY_ASSIGN(Part value, expression());
      p.children.push_back(std::move(key));
      p.children.push_back(std::move(value));
      FLEXAI_TRY(count());
    }
    return p;
  }

  const std::vector<Token> tokens_;
  size_t at_ = 0, parts_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Part>> parse(std::string_view text) {
  if (text.size() > kMostText)
    return base::fail(Code::kInvalid,
                      "it is longer than " + std::to_string(kMostText) + " characters");
  FLEXAI_TRY_ASSIGN(std::vector<Token> tokens, tokens_of(text));
  return Parser(std::move(tokens)).run();
}

}  // namespace flexai::control::cel

//! What a context says, as types. Every field is a key of the format and bears its name.

use super::finding::{Code, Finding};
use super::place::Places;
use super::shape::{Reader, Shape, Tree, record, words};
use super::yaml::{Kind, Node};

words! {
    /// Whether it is about one dataset or about several and their joins.
    ContextType, InvalidContextType, {
        /// One dataset.
        SingleDataset = "single_dataset",
        /// Several.
        MultiDataset = "multi_dataset",
    }
}

words! {
    /// Whether it is meant to be used.
    Status, InvalidValue, {
        /// Not yet.
        Draft = "draft",
        /// Yes.
        Active = "active",
        /// No longer.
        Deprecated = "deprecated",
    }
}

words! {
    /// Which rows without a partner stay in a join.
    JoinType, InvalidJoinType, {
        /// None.
        Inner = "inner",
        /// Those of the left dataset.
        Left = "left",
        /// Those of the right dataset.
        Right = "right",
        /// Those of both.
        Outer = "outer",
    }
}

words! {
    /// How many rows of the one side belong to a row of the other, left side first.
    Cardinality, InvalidValue, {
        /// At most one on each side.
        OneToOne = "one-to-one",
        /// A row of the left has many of the right.
        OneToMany = "one-to-many",
        /// A row of the right has many of the left.
        ManyToOne = "many-to-one",
        /// Many on each side.
        ManyToMany = "many-to-many",
    }
}

words! {
    /// How two columns are compared.
    Operator, InvalidValue, {
        /// Equal.
        Equal = "=",
        /// Not equal.
        NotEqual = "!=",
        /// Greater.
        Greater = ">",
        /// Less.
        Less = "<",
        /// Greater or equal.
        GreaterOrEqual = ">=",
        /// Less or equal.
        LessOrEqual = "<=",
    }
}

words! {
    /// How a condition goes on from those before it. `on` is the first; later on it means `and`.
    ConditionType, InvalidValue, {
        /// The first condition.
        On = "on",
        /// Both must hold.
        And = "and",
        /// One must hold.
        Or = "or",
    }
}

words! {
    /// What a metric gives.
    MetricType, InvalidValue, {
        /// Whole numbers.
        Integer = "integer",
        /// Numbers.
        Float = "float",
        /// Texts.
        String = "string",
        /// True or false.
        Boolean = "boolean",
        /// Days.
        Date = "date",
    }
}

words! {
    /// What a parameter takes.
    ParameterType, InvalidValue, {
        /// Whole numbers.
        Integer = "integer",
        /// Numbers.
        Float = "float",
        /// Texts.
        String = "string",
        /// Days, as in 2013-01-31.
        Date = "date",
    }
}

words! {
    /// What a rule is for.
    RuleType, InvalidRuleType, {
        /// Rows that break it are counted and reported.
        Validation = "validation",
        /// The same, for what is desirable rather than right.
        Quality = "quality",
        /// Rows that break it are left out of answers where the severity is error, and counted otherwise.
        Constraint = "constraint",
    }
}

words! {
    /// How bad it is that rows break a rule.
    RuleSeverity, InvalidSeverity, {
        /// Bad.
        Error = "error",
        /// Worth a look.
        Warning = "warning",
        /// Worth knowing.
        Info = "info",
    }
}

words! {
    /// What an entity is in a model of facts and dimensions.
    EntityType, InvalidValue, {
        /// What happened, one row each time.
        Fact = "fact",
        /// What it happened to.
        Dimension = "dimension",
        /// What joins many to many.
        Bridge = "bridge",
    }
}

record! {
    /// What datasets mean and how they join.
    Context {
        /// 3 to 100 letters, digits, spaces, `_` and `-`.
        name: String, or InvalidName;
        /// A semantic version.
        version: String, or InvalidVersion;
        /// 10 to 500 characters.
        description: String, or InvalidDescription;
        /// Told by the datasets where it is not given.
        context_type: Option<ContextType>;
        /// Active where it is not given.
        status: Option<Status>;
        /// Who wrote it.
        created_by: Option<String>;
        /// When it was written, in ISO 8601.
        created_at: Option<String>;
        /// When it was last changed, in ISO 8601.
        updated_at: Option<String>;
        /// Free words to find it by.
        tags: Vec<String>;
        /// A free word to sort it under.
        category: Option<String>;
        /// Who answers for it.
        owner: Option<String>;
        /// At least one.
        datasets: Vec<Dataset>, or MissingDatasetId;
        /// How they join.
        relationships: Vec<Relationship>;
        /// What is counted and measured.
        metrics: Vec<Metric>;
        /// What rows have to keep to.
        business_rules: Vec<Rule>;
        /// Conditions that go by a name.
        filters: Vec<Filter>;
        /// What words mean.
        glossary: Vec<Term>;
        /// The datasets as facts and dimensions.
        data_model: Option<DataModel>;
        /// How joins are searched for.
        settings: Option<Settings>;
    }
    beside {
        /// The Markdown behind the YAML, as it is.
        pub notes: String;
        /// Where everything stands in the file that it was read from.
        pub(crate) places: Places;
    }
}

record! {
    /// A dataset as this context sees it. The same one may be here twice under two ids.
    Dataset {
        /// What the rest of the context calls it.
        id: String, or MissingKey;
        /// What people call it.
        name: String, or MissingKey;
        /// A dataset's UUID or its unique name.
        dataset_id: String, or MissingDatasetId;
        /// What SQL calls it; the id where it is not given.
        alias: Option<String>;
        /// What it holds.
        description: Option<String>;
        /// The part of the business that it is about.
        domain: Option<String>;
        /// Where it comes from.
        source_system: Option<String>;
        /// How often it is brought up to date.
        refresh_frequency: Option<String>;
        /// Who answers for it.
        data_owner: Option<String>;
        /// Who looks after it.
        data_steward: Option<String>;
        /// What a catalog says of it.
        catalog: Option<CatalogEntry>;
        /// What its columns mean; those that are not here can be used as well.
        columns: Vec<ColumnNote>;
        /// Queries to learn from.
        sample_queries: Vec<SampleQuery>;
        /// How good it is.
        quality_metrics: Vec<QualityMetric>;
    }
}

record! {
    /// What a catalog says of a dataset.
    CatalogEntry {
        /// What the business calls it.
        business_name: Option<String>;
        /// What it is for.
        purpose: Option<String>;
        /// How to use it.
        usage_notes: Option<String>;
        /// What it does not tell.
        limitations: Option<String>;
        /// Rules of law or of the house that it falls under.
        compliance: Vec<String>;
        /// What it was made from.
        data_lineage: Option<String>;
    }
}

record! {
    /// What a column means.
    ColumnNote {
        /// Its name in the dataset, or a new one where `calculation` says what it is.
        name: String, or MissingKey;
        /// What the business calls it.
        business_name: Option<String>;
        /// What it holds.
        description: Option<String>;
        /// Its type, in words; what counts is the dataset's.
        data_type: Option<String>;
        /// Whether values may be missing.
        nullable: Option<bool>;
        /// Whether it tells rows apart, together with the others that are marked so.
        primary_key: Option<bool>;
        /// What it refers to, in words.
        foreign_key: Option<String>;
        /// Values that there are.
        example_values: Vec<String>;
        /// The values that there may be.
        valid_values: Vec<String>;
        /// Free words to find it by.
        tags: Vec<String>;
        /// For a column that the dataset does not have: what it is, over those that it has.
        calculation: Option<String>;
        /// What it has to keep to, in words.
        business_rules: Texts;
    }
}

record! {
    /// A query to learn from.
    SampleQuery {
        /// What it is called.
        name: Option<String>;
        /// What it tells.
        description: Option<String>;
        /// The SQL.
        query: Option<String>;
        /// When to ask it.
        use_case: Option<String>;
    }
}

record! {
    /// How good a dataset is in one respect.
    QualityMetric {
        /// In what.
        metric: Option<String>;
        /// What it should be.
        target: Option<String>;
        /// What it is.
        current: Option<String>;
        /// When that was found, in ISO 8601.
        last_checked: Option<String>;
    }
}

record! {
    /// How two datasets join.
    Relationship {
        /// What requests and other parts call it; made from the datasets where it is not given.
        id: String;
        /// What people call it.
        name: Option<String>;
        /// What it means.
        description: Option<String>;
        /// The id of a dataset.
        left_dataset: String, or UnknownDatasetInRelationship;
        /// The id of another.
        right_dataset: String, or UnknownDatasetInRelationship;
        /// The settings' default where it is not given.
        join_type: Option<JoinType>;
        /// Where it is not given, primary keys tell, and otherwise it is many to many.
        cardinality: Option<Cardinality>;
        /// Which rows belong together.
        conditions: Vec<Condition>;
    }
}

record! {
    /// A comparison of a column on the left with one on the right.
    Condition {
        /// A column of the left dataset.
        left_column: String, or ColumnNotFound;
        /// `=` where it is not given.
        operator: Option<Operator>;
        /// A column of the right dataset.
        right_column: String, or ColumnNotFound;
        /// `and` where it is not given.
        condition_type: Option<ConditionType>;
    }
}

record! {
    /// Something that is counted or measured.
    Metric {
        /// Its name in SQL and requests.
        id: String, or MissingKey;
        /// What people call it.
        name: Option<String>;
        /// What it tells.
        description: Option<String>;
        /// SQL over columns and other metrics.
        expression: String, or InvalidExpression;
        /// What it gives.
        data_type: Option<MetricType>;
        /// How to show it, as in `$,.2f`, `.2f%` or `.1f`.
        format: Option<String>;
        /// The datasets whose columns it uses; none means all.
        datasets: Vec<String>;
        /// A free word to sort it under.
        category: Option<String>;
        /// Who answers for it.
        owner: Option<String>;
    }
}

record! {
    /// What rows have to keep to.
    Rule {
        /// What reports call it.
        id: String, or MissingKey;
        /// What people call it.
        name: Option<String>;
        /// Why it is there.
        description: Option<String>;
        /// A validation where it is not given.
        rule_type: Option<RuleType>;
        /// What holds for a good row, in SQL.
        condition: String, or EmptyRuleCondition;
        /// An error where it is not given.
        severity: Option<RuleSeverity>;
        /// The datasets whose columns it uses; none means all.
        datasets: Vec<String>;
        /// What to tell people when rows break it.
        error_message: Option<String>;
    }
}

record! {
    /// A condition that goes by a name.
    Filter {
        /// What requests call it.
        id: String, or MissingKey;
        /// What people call it.
        name: Option<String>;
        /// What it keeps.
        description: Option<String>;
        /// SQL over columns, with `{name}` where a parameter's value belongs.
        condition: String, or InvalidExpression;
        /// The datasets whose columns it uses; none means all.
        datasets: Vec<String>;
        /// What a request may fill in.
        parameters: Vec<Parameter>;
    }
}

record! {
    /// What a request may fill in.
    Parameter {
        /// Its name between the braces.
        name: String, or MissingKey;
        /// A string where it is not given.
        data_type: Option<ParameterType>;
        /// The value where a request gives none.
        default: Option<String>;
    }
}

record! {
    /// What a word means.
    Term {
        /// The word.
        term: String, or MissingKey;
        /// What it means.
        definition: Option<String>;
        /// Other words for it.
        synonyms: Vec<String>;
        /// Columns that hold it, as in `flights.carrier`.
        related_columns: Vec<String>;
        /// How it is used.
        examples: Texts;
    }
}

record! {
    /// The datasets as facts and dimensions.
    DataModel {
        /// One for each dataset that has such a part.
        entities: Vec<Entity>;
        /// The same as a Mermaid drawing.
        er_diagram: Option<String>;
    }
}

record! {
    /// A fact, a dimension or a bridge.
    Entity {
        /// The dataset's id, or a name of its own.
        name: String, or MissingKey;
        /// Which of them.
        entity_type: Option<EntityType>, as "type";
        /// What one row is.
        description: Option<String>;
        /// The columns that tell rows apart.
        primary_key: Vec<String>;
        /// What is known of it.
        attributes: Vec<String>;
    }
}

record! {
    /// How joins are searched for.
    Settings {
        /// For relationships that say none. Inner where it is not given.
        default_join_type: Option<JoinType>;
        /// Whether relationships may not lead in a circle. They may not where it is not given.
        enable_circular_check: Option<bool>;
        /// How many relationships may lie between two datasets. Ten where it is not given.
        max_join_depth: Option<u64>;
        /// How long answers may be kept, in seconds. An hour where it is not given.
        cache_ttl_seconds: Option<u64>;
    }
}

/// One text, or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl Shape for Texts {
    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Text { value, .. } => Some(Self(vec![value.clone()])),
            _ => Vec::read(node, path, reader).map(Self),
        }
    }

    fn write(&self) -> Option<Tree> {
        match self.0.as_slice() {
            [only] => Some(Tree::Text(only.clone())),
            _ => self.0.write(),
        }
    }
}

impl Context {
    /// Its status: active unless it says something else.
    pub fn status(&self) -> Status {
        self.status.unwrap_or(Status::Active)
    }

    /// What it says it is about, or what its datasets tell.
    pub fn context_type(&self) -> ContextType {
        let told =
            if self.datasets.len() > 1 { ContextType::MultiDataset } else { ContextType::SingleDataset };
        self.context_type.unwrap_or(told)
    }

    /// How relationships join that do not say it.
    pub fn default_join_type(&self) -> JoinType {
        self.settings.as_ref().and_then(|s| s.default_join_type).unwrap_or(JoinType::Inner)
    }

    /// Whether relationships may not lead in a circle.
    pub fn circular_check(&self) -> bool {
        self.settings.as_ref().and_then(|s| s.enable_circular_check).unwrap_or(true)
    }

    /// How many relationships may lie between two datasets.
    pub fn max_join_depth(&self) -> u64 {
        self.settings.as_ref().and_then(|s| s.max_join_depth).unwrap_or(10)
    }

    /// How long answers may be kept, in seconds.
    pub fn cache_ttl_seconds(&self) -> u64 {
        self.settings.as_ref().and_then(|s| s.cache_ttl_seconds).unwrap_or(3600)
    }

    /// The place of a dataset among its datasets, by id, alias or name. The id comes first; case does
    /// not matter where it is clear without.
    pub(crate) fn dataset(&self, name: &str) -> Option<usize> {
        let names: [fn(&Dataset) -> Option<&str>; 3] =
            [|d| Some(&d.id), |d| d.alias.as_deref(), |d| Some(&d.name)];
        let equal = |d: &Dataset, of: fn(&Dataset) -> Option<&str>| of(d) == Some(name);
        let alike = |d: &Dataset, of: fn(&Dataset) -> Option<&str>| {
            of(d).is_some_and(|n| n.eq_ignore_ascii_case(name))
        };
        let exact = names.iter().find_map(|of| self.datasets.iter().position(|d| equal(d, *of)));
        exact.or_else(|| names.iter().find_map(|of| self.datasets.iter().position(|d| alike(d, *of))))
    }

    /// The ids and aliases of its datasets.
    pub(crate) fn dataset_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for dataset in &self.datasets {
            names.push(&dataset.id);
            names.extend(dataset.alias.as_deref().filter(|a| *a != dataset.id));
        }
        names
    }
}

impl Dataset {
    /// What SQL calls it.
    pub fn sql_alias(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.id)
    }
}

impl Metric {
    /// What people call it.
    pub fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

impl Rule {
    /// What it is for.
    pub fn rule_type(&self) -> RuleType {
        self.rule_type.unwrap_or(RuleType::Validation)
    }

    /// How bad it is that rows break it.
    pub fn severity(&self) -> RuleSeverity {
        self.severity.unwrap_or(RuleSeverity::Error)
    }

    /// Whether it leaves rows out of answers.
    pub fn constrains(&self) -> bool {
        self.rule_type() == RuleType::Constraint && self.severity() == RuleSeverity::Error
    }
}

impl Condition {
    /// How the columns are compared.
    pub fn operator(&self) -> Operator {
        self.operator.unwrap_or(Operator::Equal)
    }
}

impl Parameter {
    /// What it takes.
    pub fn data_type(&self) -> ParameterType {
        self.data_type.unwrap_or(ParameterType::String)
    }
}

//! Walking a module's parameters with their names.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::Tensor,
};

/// A parameter as it stands in the module.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedShape {
    /// Path in the module, as `model.layers.0.mlp.up_proj.weight`.
    pub path: String,
    /// Shape of the tensor.
    pub shape: Vec<usize>,
    /// Its id in gradients.
    pub id: ParamId,
}

impl NamedShape {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a walk through a module stands. The variant of an enum is no part of a name, as it is none
/// of a checkpoint's.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn enter(&mut self, name: &str, container: &str) {
        if !is_enum(container) {
            self.0.push(name.to_owned());
        }
    }

    fn exit(&mut self, container: &str) {
        if !is_enum(container) {
            self.0.pop();
        }
    }

    fn name(&self) -> String {
        self.0.join(".")
    }
}

/// How burn marks the step into an enum's variant.
fn is_enum(container: &str) -> bool {
    container.starts_with("Enum:")
}

/// Names and shapes of all float parameters, in module order; initialises none of them.
pub fn shapes<M: Module>(module: &M) -> Vec<NamedShape> {
    #[derive(Default)]
    struct Shapes {
        path: Path,
        found: Vec<NamedShape>,
    }
    impl ModuleVisitor for Shapes {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push(NamedShape {
                path: self.path.name(),
                shape: param.lazy_shape().to_vec(),
                id: param.id,
            });
        }
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, container: &str) {
            self.path.exit(container);
        }
    }
    let mut visitor = Shapes::default();
    module.visit(&mut visitor);
    visitor.found
}

/// What [`for_each_tensor`] calls with every parameter.
pub trait TensorVisitor {
    /// `path` as in [`NamedShape::path`].
    fn visit<const D: usize>(&mut self, path: &str, id: ParamId, tensor: Tensor<D>);
}

/// Calls the visitor with every float parameter, in module order.
pub fn for_each_tensor<M: Module, V: TensorVisitor>(module: &M, visitor: &mut V) {
    struct Walk<'a, V> {
        path: Path,
        inner: &'a mut V,
    }
    impl<V: TensorVisitor> ModuleVisitor for Walk<'_, V> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.inner.visit(&self.path.name(), param.id, param.val());
        }
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, container: &str) {
            self.path.exit(container);
        }
    }
    module.visit(&mut Walk {
        path: Path::default(),
        inner: visitor,
    });
}

/// What [`map_tensors`] calls with every parameter.
pub trait TensorMapper {
    /// The new value of a parameter; none keeps it. The parameter may be read through `param`,
    /// which initialises it.
    fn map<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) -> Option<Tensor<D>>;
}

/// Replaces float parameters, keeping their ids.
pub fn map_tensors<M: Module, T: TensorMapper>(module: M, mapper: &mut T) -> M {
    struct ByReference<'a, T>(&'a mut T);
    impl<T: TensorMapper> ParamMapper for ByReference<'_, T> {
        fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match self.0.map(path, &param) {
                Some(value) => trained(param.id, value),
                None => param,
            }
        }
    }
    map_params(module, &mut ByReference(mapper))
}

/// What [`map_params`] calls with every parameter.
pub trait ParamMapper {
    /// The parameter that takes the place of `param`, with its id. Nothing here holds the value that
    /// is given, so that it can be changed in place.
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// Replaces float parameters by what is made of them.
pub fn map_params<M: Module, T: ParamMapper>(module: M, mapper: &mut T) -> M {
    struct Walk<'a, T> {
        path: Path,
        inner: &'a mut T,
    }
    impl<T: ParamMapper> ModuleMapper for Walk<'_, T> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.inner.map(&self.path.name(), param)
        }
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, container: &str) {
            self.path.exit(container);
        }
    }
    module.map(&mut Walk {
        path: Path::default(),
        inner: mapper,
    })
}

/// A parameter that is trained.
pub fn trained<const D: usize>(id: ParamId, value: Tensor<D>) -> Param<Tensor<D>> {
    // `set_require_grad` marks a plain tensor as trainable once it meets autodiff.
    Param::initialized(id, value).set_require_grad(true)
}
